"""From a run folder to what answers to drawings."""

import sys
from pathlib import Path

import jax

from rnn_jax.checkpoints.checkpoint import Which
from rnn_jax.config.schema import Config
from rnn_jax.datasets import dataset_info
from rnn_jax.drawing.answers import Answers
from rnn_jax.inference.image_reading import Reader
from rnn_jax.inference.predictor import load_trained
from rnn_jax.runtime.errors import UserError


def load(config: Config, workdir: Path, which: Which) -> Answers:
    """The network of a run, compiled for reading drawings; damaged checkpoints are named on standard error.

    Raises:
        UserError: the run folder is not one of images.
        CheckpointError: there is no valid checkpoint of that kind.
    """
    known = dataset_info.load(workdir)
    if known.spec["kind"] != "image":
        raise UserError(f"{workdir}: its dataset.json is of another run: {known.spec['kind']}")
    with jax.default_matmul_precision(config.runtime.matmul_precision):
        trained = load_trained(config, known, workdir, which)
        for line in trained.damaged:
            print(f"warning: {line}", file=sys.stderr)
        about = f"{trained.network.name}, {which} checkpoint, step {trained.step:,}"
        return Answers(Reader(known, trained), known, about, bidirectional=config.model.bidirectional)
