"""The adding problem (Hochreiter and Schmidhuber 1997, section 5.4): the sum of two marked numbers.

Each step has a number from 0 to 1 and a mark, which is 1 for one step of each half. With four steps

    [[0.7, 0], [0.2, 1], [0.5, 1], [0.9, 0]]    has the target    [0.7]

The paper's numbers are from -1 to 1, and its sequences of random lengths; this form, with numbers from 0 to 1
and a fixed length, is that of Le et al. 2015 (arXiv 1504.00941).

A model without memory does best by predicting 1, with a mean squared error of 1/6. Outputs are [batch, 1].
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.config.objective import Objective
from rnn_jax.tasks import generated, ordering
from rnn_jax.tasks.task import Batch, Hyper, Metrics, Splits, Task

TOLERANCE = 0.08
"""A prediction with a smaller absolute error is correct: Hochreiter and Schmidhuber's criterion, rescaled.

Theirs is 0.04 for targets 0.5 + (X1 + X2) / 4, from 0 to 1, of numbers X from -1 to 1. With x = (X + 1) / 2,
from 0 to 1 as here, that target is (x1 + x2) / 2: half of ours, which is from 0 to 2.
"""


def build_adding(data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, time_steps: int) -> Task:
    """Build the adding problem for sequences of `time_steps` steps, each drawn from its example number."""
    del data_spec
    select, batches = ordering.build_select(splits, batch_size)
    return Task(
        spec={"input_size": 2, "time_steps": time_steps, "output_size": 1, "head": "sequence"},
        objective=Objective("loss", "min"),
        metrics={"loss": "min", "accuracy": "max"},
        batches=batches,
        select=select,
        fetch=generated.build_fetch(lambda key: draw(key, time_steps)),
        loss=squared_error,
    )


def draw(key: jax.Array, time_steps: int) -> tuple[jax.Array, jax.Array]:
    """Draw the numbers and marks [time, 2] of one sequence; return them and the target [1]."""
    number_key, first_key, second_key = jax.random.split(key, 3)
    numbers = jax.random.uniform(number_key, (time_steps,), jnp.float32)
    half = time_steps // 2
    first = jax.random.randint(first_key, (), 0, half, jnp.int32)
    second = jax.random.randint(second_key, (), half, time_steps, jnp.int32)
    steps = jnp.arange(time_steps, dtype=jnp.int32)
    marks = ((steps == first) | (steps == second)).astype(numbers.dtype)
    return jnp.stack([numbers, marks], axis=1), (numbers * marks).sum(keepdims=True)


def squared_error(outputs: jax.Array, batch: Batch, hyper: Hyper) -> tuple[jax.Array, jax.Array, Metrics]:
    """Mean squared error of outputs [batch, outputs], and accuracy within `TOLERANCE`."""
    del hyper
    errors = outputs - batch.targets
    total, count = ((errors**2).mean(axis=1) * batch.weights).sum(), batch.weights.sum()
    correct = (jnp.abs(errors).max(axis=1) < TOLERANCE).astype(outputs.dtype)
    return total, count, {"loss": (total, count), "accuracy": ((correct * batch.weights).sum(), count)}
