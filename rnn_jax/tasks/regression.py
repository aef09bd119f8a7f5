"""Regression: numbers for a whole sequence; and the adding problem, one number.

The adding problem (Hochreiter and Schmidhuber 1997, section 5.4): each step brings a number from 0 to 1 and a
mark that says whether it counts. One step of the first half is marked and one of the second; with four steps

    [[0.7, 0], [0.2, 1], [0.5, 1], [0.9, 0]]    has the target    [0.7]

the sum of the two. Without memory the best answer is 1, with a mean squared error of 1/6. The network's
outputs are numbers [batch, outputs].
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.config.objective import Objective
from rnn_jax.tasks import ordering
from rnn_jax.tasks.task import Arrays, Batch, Hyper, Metrics, Splits, Task, key_of_numbers

RIGHT = 0.04
"""An answer counts as right where no number is off by more: Hochreiter and Schmidhuber's criterion."""


def build_adding(data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, time_steps: int) -> Task:
    """Builds the adding problem over so many steps. Each example is drawn from its number.

    Args:
        data_spec: the data set's spec, of kind 'numbers'.
        splits: the arrays of each split, whose first axis counts the examples.
        batch_size: rows of a batch.
        time_steps: steps of a sequence.
    """
    del data_spec

    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        del keys  # what is random about an example is its number's
        numbers = data["numbers"][jnp.maximum(indices, 0)]
        inputs, targets = jax.vmap(lambda key: draw(key, time_steps))(key_of_numbers(numbers))
        return Batch(inputs, targets, weights=(indices >= 0).astype(jnp.float32))

    return Task(
        spec={"input_size": 2, "time_steps": time_steps, "output_size": 1, "head": "last"},
        objective=Objective.of("loss", "min"),
        metrics={"loss": "min", "accuracy": "max"},
        batches=ordering.batches(splits, batch_size),
        select=ordering.build_select(splits, batch_size),
        fetch=fetch,
        loss=squared_error,
    )


def draw(key: jax.Array, time_steps: int) -> tuple[jax.Array, jax.Array]:
    """One sequence [time, 2], the numbers and their marks, and its target [1]."""
    number_key, first_key, second_key = jax.random.split(key, 3)
    numbers = jax.random.uniform(number_key, (time_steps,))
    half = time_steps // 2
    first = jax.random.randint(first_key, (), 0, half)
    second = jax.random.randint(second_key, (), half, time_steps)
    steps = jnp.arange(time_steps)
    marks = ((steps == first) | (steps == second)).astype(numbers.dtype)
    return jnp.stack([numbers, marks], axis=1), (numbers * marks).sum(keepdims=True)


def squared_error(outputs: jax.Array, batch: Batch, hyper: Hyper) -> tuple[jax.Array, jax.Array, Metrics]:
    """The mean squared error of outputs [batch, outputs], and how many rows are right."""
    del hyper
    errors = outputs - batch.targets
    total, count = ((errors**2).mean(axis=1) * batch.weights).sum(), batch.weights.sum()
    right = (jnp.abs(errors).max(axis=1) < RIGHT).astype(outputs.dtype)
    return total, count, {"loss": (total, count), "accuracy": ((right * batch.weights).sum(), count)}
