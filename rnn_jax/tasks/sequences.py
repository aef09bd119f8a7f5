"""Classification and regression of whole sequences of different lengths.

A text is a sequence of tokens, a measured sequence has features at each step. Three rows of 2, 1 and 3 steps

    steps  a b | c | d e f      lengths  2 1 3      become         a b .      lengths  2
                                                                   c . .               1
                                                                   d e f               3

where a dot is padding, which never affects outputs: `bucketing.py` chooses the rows of a batch and the length
they are padded to. Outputs are logits [batch, classes], or values [batch, outputs].

Features are standardized by the mean and standard deviation of the training set. So are the targets of a
regression for the loss; its other metrics are in the units of the data.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks import bucketing
from rnn_jax.tasks.classification import ClassWeights, classification_task, weights_of_classes
from rnn_jax.tasks.task import Arrays, Batch, Fetch, Hyper, Metrics, Splits, Task


def build_text_classification(
    data_spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    *,
    buckets: int,
    class_weights: ClassWeights = None,
) -> Task:
    """Build the task of classifying texts: `lengths`, `targets` and `steps` of each split.

    Rows are padded to at most `buckets` different lengths; 1: all rows to the longest. Raises UserError if
    `class_weights` do not fit the classes.
    """
    select = bucketing.build_select(splits, batch_size, buckets)
    weights = weights_of_classes(class_weights, splits["train"]["targets"], int(data_spec["classes"]))
    return classification_task(_sizes(data_spec, splits), *select, _build_fetch(data_spec), weights)


def build_sequence_classification(
    data_spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    *,
    buckets: int,
    class_weights: ClassWeights = None,
) -> Task:
    """Build the task of classifying measured sequences; see `build_text_classification`.

    Raises:
        UserError: the targets are real numbers, not classes, or `class_weights` are wrong.
    """
    if "classes" not in data_spec:
        raise UserError(_no_labels(splits["train"]["targets"]))
    return build_text_classification(
        data_spec, splits, batch_size, buckets=buckets, class_weights=class_weights
    )


def _no_labels(targets: np.ndarray) -> str:
    """The error for real targets [examples, outputs] of a classification."""
    problem = "task.name = sequence_classification: needs labels, but the array y of these sequences has "
    other = "set task.name = sequence_regression"
    if targets.shape[1] > 1 and ((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all():
        return f"{problem}one-hot rows: save y.argmax(axis=1); to predict the numbers, {other}"
    if targets.shape[1] == 1 and (targets == np.round(targets)).all():
        return f"{problem}floats, all of them whole: save y.astype(int); to predict real numbers, {other}"
    return f"{problem}real numbers; {other}"


def build_sequence_regression(
    data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, buckets: int
) -> Task:
    """Build the task of predicting real numbers from measured sequences; see `build_text_classification`.

    Raises:
        UserError: the targets are classes, not real numbers.
    """
    if "outputs" not in data_spec:
        raise UserError(
            "task.name = sequence_regression: needs real numbers, but the array y of these sequences has "
            "labels, as whole numbers are: save y.astype(float), or set task.name = sequence_classification"
        )
    mean, deviation = (np.array([data_spec[f"target_{key}"]], np.float32) for key in ("means", "deviations"))

    def loss(outputs: jax.Array, batch: Batch, hyper: Hyper) -> tuple[jax.Array, jax.Array, Metrics]:
        del hyper
        errors = outputs - (batch.targets - mean) / deviation
        in_units = errors * deviation
        count = batch.weights.sum()
        total = ((errors**2).mean(axis=1) * batch.weights).sum()
        metrics = {
            "loss": (total, count),
            "mean_squared_error": (((in_units**2).mean(axis=1) * batch.weights).sum(), count),
            "mean_absolute_error": ((jnp.abs(in_units).mean(axis=1) * batch.weights).sum(), count),
        }
        return total, count, metrics

    select, batches = bucketing.build_select(splits, batch_size, buckets)
    return Task(
        spec={**_sizes(data_spec, splits), "head": "sequence"},
        objective=Objective("loss", "min"),
        metrics={"loss": "min", "mean_squared_error": "min", "mean_absolute_error": "min"},
        batches=batches,
        select=select,
        fetch=_build_fetch(data_spec),
        loss=loss,
    )


def _sizes(data_spec: Mapping[str, Any], splits: Splits) -> dict[str, int]:
    """The sizes in the spec of a task; its time steps are the mean length of the training sequences."""
    read, size = ("vocabulary", "vocabulary") if "vocabulary" in data_spec else ("input_size", "features")
    output_size = data_spec["classes" if "classes" in data_spec else "outputs"]
    time_steps = max(1, round(float(splits["train"]["lengths"].mean())))
    return {read: data_spec[size], "output_size": output_size, "time_steps": time_steps}


def _build_fetch(data_spec: Mapping[str, Any]) -> Fetch:
    """Build `fetch` for the indices of `bucketing.build_select`, which standardizes features."""
    statistics = [
        np.array([[data_spec[key]]], np.float32) for key in ("means", "deviations") if key in data_spec
    ]

    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        del keys  # no augmentation
        rows, places = indices[:, 0], indices[:, 1:]
        inputs = data["steps"][jnp.maximum(places, 0)]
        return Batch(
            inputs=(inputs - statistics[0]) / statistics[1] if statistics else inputs,
            targets=data["targets"][jnp.maximum(rows, 0)],
            weights=(rows >= 0).astype(jnp.float32),
            lengths=(places >= 0).sum(axis=1, dtype=jnp.int32),
        )

    return fetch
