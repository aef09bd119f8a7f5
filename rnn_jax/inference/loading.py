"""Load the trained model of a run folder; its dataset is not needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax import tasks
from rnn_jax.catalogue import TASKS
from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.store import Which
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.models import Network, build_network
from rnn_jax.runtime import devices
from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks.task import Task
from rnn_jax.training.state import evaluated_parameters


class Trained(NamedTuple):
    """A trained model and what is known of its data."""

    config: Config
    info: DatasetInfo
    task: Task
    network: Network
    parameters: Any  # the network's, of the checkpoint, on one device
    step: int  # of the checkpoint


@contextmanager
def load_trained(config: Config, info: DatasetInfo, workdir: Path, which: Which) -> Iterator[Trained]:
    """Load a checkpoint of a run folder for one device, whatever devices it was trained on.

    Within the context, JAX computes with the precision of the run. Damaged checkpoints are reported on
    standard error.

    Raises:
        CheckpointError: there is no valid checkpoint of that kind.
        UserError: dataset.json or vocabulary.json is of another model.
    """
    kind = TASKS[config.task.name].data
    if info.spec["kind"] != kind:
        raise UserError(f"{workdir}: dataset.json has data of kind {info.spec['kind']!r}, must be {kind!r}")
    checkpoint = store.find(RunFolder(workdir).checkpoints, which)
    task_settings = split_hyper(config)[0]["task"]
    task = tasks.build_task(info.spec, _example(config, info.spec), 1, **task_settings)
    network = build_network(config.model, task.spec)
    devices.build_devices(1, **devices.single_process({**config.runtime.model_dump(), "devices": 1}))
    parameters = evaluated_parameters(checkpoint)
    if info.vocabulary is not None:
        rows, tokens = len(parameters["params"]["embedding"]["embedding"]), len(info.vocabulary)
        if rows != tokens:
            file = RunFolder(workdir).vocabulary
            raise UserError(f"{file}: has {tokens:,} tokens, but the model's embedding has {rows:,}")
    for line in checkpoint.warnings:
        warn(line)
    with jax.default_matmul_precision(config.runtime.matmul_precision):
        yield Trained(config, info, task, network, parameters, checkpoint.step)


def placeholder_targets(spec: dict[str, Any], rows: int) -> np.ndarray:
    """Return targets of zeros [rows] or [rows, outputs], for inputs whose targets are unknown."""
    return np.zeros((rows, spec["outputs"]), np.float32) if "outputs" in spec else np.zeros(rows, np.int32)


def _example(config: Config, spec: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """The smallest training split that a task can be built for."""
    if spec["kind"] == "text":
        return {"train": {"tokens": np.zeros((config.task.bptt_steps or 1) + 1, np.int32)}}
    targets = placeholder_targets(spec, 1)
    if spec["kind"] == "image":
        inputs = np.zeros((1, int(spec["height"]), int(spec["width"])), np.uint8)
        return {"train": {"inputs": inputs, "targets": targets}}
    steps = np.zeros((1, spec["features"]), np.float32) if "features" in spec else np.zeros(1, np.int32)
    return {"train": {"lengths": np.ones(1, np.int32), "targets": targets, "steps": steps}}
