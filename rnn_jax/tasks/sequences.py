"""One answer for a whole sequence, where sequences are of many lengths: a class, or numbers.

A text is token numbers, a measured sequence is features at each step. With three rows of 2, 1 and 3 steps,

    steps  a b | c | d e f      lengths  2 1 3      is read as      a b .      lengths  2
                                                                    c . .               1
                                                                    d e f               3

where a dot is padding, which influences nothing: `bucketing.py` says which rows make a batch, and up to which
length they are filled up. The network's outputs are logits [batch, classes], or numbers [batch, outputs].

Features are read in the training set's own units: with their mean taken off, and divided by their standard
deviation. Numbers that are to be told are too; figures are in the units of the data.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.config.objective import Direction, Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks import bucketing
from rnn_jax.tasks.classification import cross_entropy
from rnn_jax.tasks.task import Arrays, Batch, Hyper, Metrics, Splits, Task


def build_text_classification(
    data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, buckets: int
) -> Task:
    """Builds the task of naming the class of a text.

    Args:
        data_spec: the data set's spec, of kind 'labelled_text': `vocabulary`, `classes`.
        splits: of each split `lengths`, `targets` and `steps`.
        batch_size: rows of a batch.
        buckets: lengths that rows are filled up to, at most; 1: all rows to that of the longest.
    """
    return _build(
        {"vocabulary": data_spec["vocabulary"], "output_size": data_spec["classes"]},
        splits,
        batch_size,
        buckets,
        read=lambda tokens: tokens,
        loss=cross_entropy,
        objective=Objective.of("accuracy", "max"),
        metrics={"loss": "min", "accuracy": "max"},
    )


def build_sequence_classification(
    data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, buckets: int
) -> Task:
    """Builds the task of naming the class of a measured sequence; see `build_text_classification`.

    Raises:
        UserError: the sequences have numbers to be told, and no classes.
    """
    if "classes" not in data_spec:
        raise UserError(
            "task.name = sequence_classification: the y of these sequences are real numbers, not labels; "
            "sequence_regression tells numbers"
        )
    return _build(
        {"input_size": data_spec["features"], "output_size": data_spec["classes"]},
        splits,
        batch_size,
        buckets,
        read=_in_own_units(data_spec),
        loss=cross_entropy,
        objective=Objective.of("accuracy", "max"),
        metrics={"loss": "min", "accuracy": "max"},
    )


def build_sequence_regression(
    data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, buckets: int
) -> Task:
    """Builds the task of telling numbers from a measured sequence; see `build_text_classification`.

    Raises:
        UserError: the sequences have classes, and no numbers.
    """
    if "outputs" not in data_spec:
        raise UserError(
            "task.name = sequence_regression: the y of these sequences are labels, not real numbers; "
            "sequence_classification names classes, and whole numbers saved as floats are told as numbers"
        )
    mean, deviation = (np.array([data_spec[f"target_{key}"]], np.float32) for key in ("means", "deviations"))

    def loss(outputs: jax.Array, batch: Batch, hyper: Hyper) -> tuple[jax.Array, jax.Array, Metrics]:
        del hyper
        errors = outputs - (batch.targets - mean) / deviation
        count = batch.weights.sum()
        total = ((errors**2).mean(axis=1) * batch.weights).sum()
        in_units = errors * deviation
        metrics = {
            "loss": (total, count),
            "mean_squared_error": (((in_units**2).mean(axis=1) * batch.weights).sum(), count),
            "mean_absolute_error": ((jnp.abs(in_units).mean(axis=1) * batch.weights).sum(), count),
        }
        return total, count, metrics

    return _build(
        {"input_size": data_spec["features"], "output_size": data_spec["outputs"]},
        splits,
        batch_size,
        buckets,
        read=_in_own_units(data_spec),
        loss=loss,
        objective=Objective.of("loss", "min"),
        metrics=dict.fromkeys(("loss", "mean_squared_error", "mean_absolute_error"), "min"),
    )


def _in_own_units(data_spec: Mapping[str, Any]) -> Callable[[jax.Array], jax.Array]:
    mean, deviation = (np.array([[data_spec[key]]], np.float32) for key in ("means", "deviations"))
    return lambda features: (features - mean) / deviation


def _build(
    spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    buckets: int,
    *,
    read: Callable[[jax.Array], jax.Array],
    loss: Callable[[jax.Array, Batch, Hyper], tuple[jax.Array, jax.Array, Metrics]],
    objective: Objective,
    metrics: Mapping[str, Direction],
) -> Task:
    select, batches = bucketing.build_select(splits, batch_size, buckets)

    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        del keys
        rows, places = indices[:, 0], indices[:, 1:]
        return Batch(
            inputs=read(data["steps"][jnp.maximum(places, 0)]),
            targets=data["targets"][jnp.maximum(rows, 0)],
            weights=(rows >= 0).astype(jnp.float32),
            lengths=(places >= 0).sum(axis=1, dtype=jnp.int32),
        )

    return Task(
        spec={**spec, "time_steps": bucketing.typical(splits), "head": "last"},
        objective=objective,
        metrics=metrics,
        batches=batches,
        select=select,
        fetch=fetch,
        loss=loss,
    )
