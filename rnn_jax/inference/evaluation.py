"""Looking again at a run that was trained: its best checkpoint, on every example it was not trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.store import Which
from rnn_jax.config.run_folder import RunFolder, require_same_config
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets import dataset_info
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.tasks import metrics
from rnn_jax.training import memory
from rnn_jax.training.build import build
from rnn_jax.training.evaluate import evaluate, outputs
from rnn_jax.training.program import Program, load
from rnn_jax.training.state import State


class Answers(NamedTuple):
    """What a classifier answered to a split."""

    classes: tuple[str, ...]
    """Their names."""
    images: np.ndarray | None
    """[examples, height, width]; None: the inputs are no images."""
    labels: np.ndarray
    """[examples], int."""
    probabilities: np.ndarray
    """[examples, classes]."""

    @property
    def confusion(self) -> np.ndarray:
        """How often which class was answered: [labels, answers]."""
        return metrics.confusion_matrix(self.labels, self.probabilities)

    @property
    def mistakes(self) -> "Mistakes":
        """The examples that were answered wrongly, in their order."""
        answers = self.probabilities.argmax(axis=-1)
        wrong = np.flatnonzero(answers != self.labels)
        confidences = self.probabilities[wrong, answers[wrong]]
        images = None if self.images is None else self.images[wrong]
        return Mistakes(images, self.labels[wrong], answers[wrong], confidences)


class Mistakes(NamedTuple):
    """What a classifier answered wrongly, and how sure it was."""

    images: np.ndarray | None
    labels: np.ndarray
    answers: np.ndarray
    confidences: np.ndarray
    """[mistakes], the probabilities of the answers."""


class Evaluation(NamedTuple):
    """A checkpoint's figures."""

    step: int
    figures: dict[str, dict[str, float]]
    """Of each split that was looked at."""
    answers: Answers | None
    """To the split `answered`; None where the task is not to name a class."""
    answered: str
    """The last of these splits."""
    damaged: Sequence[str]
    """A line for every damaged checkpoint that was passed over."""


def evaluate_run(config: Config, workdir: Path, which: Which) -> Evaluation:
    """Evaluates a checkpoint of a run folder on validation, and on test where the config reports it.

    Raises:
        UserError: the config is not the folder's, or the data are not those that it was trained on.
        CheckpointError: there is no valid checkpoint of that kind.
    """
    folder = RunFolder(workdir)
    require_same_config(workdir, config)
    sections, _ = split_hyper(config)
    if not store.steps(folder.checkpoints):
        raise CheckpointError(f"{workdir}: holds no checkpoint yet; train it with --workdir {workdir}")
    job = build(config)
    dataset_info.check_version(job.data, folder)
    runtime = devices.single_process(sections["runtime"])
    where = devices.build_devices(devices.worthwhile_cores(*job.batch_shape), **runtime)
    with memory.explain_out_of_memory(config), jax.default_matmul_precision(where.matmul_precision):
        program = load(job, where)
        found = store.find(folder.checkpoints, which)
        state, _ = program.restore(found)
        splits = ["validation", *(job.data.tested if job.plan.settings.report_test else [])]
        figures = {split: evaluate(program, state.evaluated, split) for split in splits}
        answers = _answers(program, state, splits[-1])
        return Evaluation(int(state.step), figures, answers, splits[-1], found.warnings)


def _answers(program: Program, state: State, split: str) -> Answers | None:
    data = program.job.data
    if not data.classes:
        return None
    probabilities = np.asarray(jax.nn.softmax(outputs(program, state.evaluated, split), axis=-1))
    arrays = data.splits[split]
    return Answers(data.classes, arrays.get("inputs"), arrays["targets"], probabilities)
