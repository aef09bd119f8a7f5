"""Evaluation of a trained run: a checkpoint's metrics on validation and test, and its predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.store import Which
from rnn_jax.config.run_folder import RunFolder, require_same_config
from rnn_jax.config.schema import Config
from rnn_jax.datasets import dataset_info
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks.metrics import confusion_matrix
from rnn_jax.training import memory
from rnn_jax.training.build import build
from rnn_jax.training.program import load


class Predictions(NamedTuple):
    """The predictions of a classifier for examples of a split."""

    classes: tuple[str, ...]  # their names
    images: np.ndarray | None  # [examples, height, width]; None: the inputs are no images
    labels: np.ndarray  # [examples], int
    probabilities: np.ndarray  # [examples, classes]

    @property
    def confusion(self) -> np.ndarray:
        """The confusion matrix [labels, predictions] of counts."""
        return confusion_matrix(self.labels, self.probabilities)

    @property
    def mistakes(self) -> "Predictions":
        """Those for the misclassified examples."""
        wrong = self.probabilities.argmax(axis=-1) != self.labels
        images = None if self.images is None else self.images[wrong]
        return Predictions(self.classes, images, self.labels[wrong], self.probabilities[wrong])


class Evaluation(NamedTuple):
    """The metrics of a checkpoint."""

    step: int
    metrics: dict[str, dict[str, Any]]  # of each evaluated split; of a classifier also `recall` by class
    split: str  # the last evaluated split
    predictions: Predictions | None  # for `split`; None where the task is not classification
    warnings: Sequence[str]  # one for each damaged checkpoint that was skipped


def evaluate_run(config: Config, workdir: Path, which: Which) -> Evaluation:
    """Evaluate a checkpoint on the validation split, and on the test split if the config reports it.

    Raises:
        UserError: the run folder has another config, or was trained on another version of the data.
        CheckpointError: there is no valid checkpoint of that kind.
    """
    folder = RunFolder(workdir)
    require_same_config(workdir, config)
    cross_validated, reports_test = config.dataset.is_cross_validated, config.train.report_test
    if cross_validated and not reports_test:
        reason = "the model of a cross-validation is evaluated on test alone"
        raise UserError(f"train.report_test = False: {reason}")
    checkpoint = store.find(folder.checkpoints, which)
    job = build(config)
    dataset_info.check_version(job.data, folder)
    runtime = devices.single_process(config.runtime.model_dump())
    where = devices.build_devices(devices.worthwhile_cores(*job.batch_shape), **runtime)
    with memory.explain_out_of_memory(config), jax.default_matmul_precision(where.matmul_precision):
        program = load(job, where)
        state, _ = program.restore(checkpoint)
        splits = [*([] if cross_validated else ["validation"]), *(job.data.tested if reports_test else [])]
        metrics = {split: program.evaluate(state.evaluated, split) for split in splits}
        split, predictions = splits[-1], None
        if job.data.classes:
            logits = program.outputs(state.evaluated, split)
            arrays, probabilities = job.data.splits[split], np.asarray(jax.nn.softmax(logits, axis=-1))
            images, labels = arrays.get("inputs"), arrays["targets"]
            predictions = Predictions(job.data.classes, images, labels, probabilities)
        return Evaluation(checkpoint.step, metrics, split, predictions, checkpoint.warnings)
