"""The interface of a task: what is asked of a network, batch by batch.

A task is a tuple of pure functions over the arrays of a data set. It says which examples make a batch (on the
host, where drawing an order is cheap), how they become the network's inputs (traced, on the device) and what
the network's outputs are worth. Two lines show the whole of it:

    batch = task.fetch(data, task.select("train", seed, step), keys)
    total, count, metrics = task.loss(outputs, batch, hyper)      # the mean loss is total / count
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

Arrays = Mapping[str, jax.Array]
"""The arrays of one split, by name."""

Hyper = Mapping[str, jax.Array]
"""Numeric hyperparameters by their config key: scalars, arguments of the compiled step."""

Metrics = dict[str, tuple[jax.Array, jax.Array]]
"""Figures as (sum, count): merged by adding, divided once at the end."""

_EXAMPLES = 20_261_101  # the seed of the examples that tasks draw: another one makes other data sets


class Batch(NamedTuple):
    """What one step sees. Rows are examples, or streams of text."""

    inputs: jax.Array
    """[batch, time, features], or token numbers [batch, time]."""
    targets: jax.Array
    """[batch], or [batch, time] where every step is asked for."""
    weights: jax.Array
    """[batch]: 1, and 0 for rows that only fill the batch up."""
    lengths: jax.Array | None = None
    """[batch]: how many steps of each row are real; None: all of them."""
    fresh: jax.Array | None = None
    """[batch]: whether the row's carry starts anew; None: in every row, at every step."""


class Task(NamedTuple):
    """What is asked: see the module's docstring for how the parts are used together."""

    spec: Mapping[str, int | str]
    """Plain values the model is built from: `input_size`, `time_steps`, `output_size`, `head`."""
    objective: tuple[str, Literal["max", "min"]]
    """The figure that decides best, early stopping and sweeps, and its better direction."""
    figures: tuple[str, ...]
    """The names of the metrics that `loss` returns."""
    batches: Mapping[str, Fraction]
    """How many batches go through each split once; the last may be ragged."""
    select: Callable[[str, int, int], np.ndarray]
    """(split, seed, step) -> example numbers [batch], -1 where there is none. NumPy, on the host; the shape
    depends on (split, step) alone."""
    fetch: Callable[[Arrays, jax.Array, jax.Array | None], Batch]
    """(data, indices, keys) -> batch. Traced. `keys` [batch], one a row, draw augmentations; None: nothing is
    random."""
    loss: Callable[[Any, Batch, Hyper], tuple[jax.Array, jax.Array, Metrics]]
    """(outputs, batch, hyper) -> (sum of losses, their count, metrics)."""


def key_of_numbers(numbers: jax.Array) -> jax.Array:
    """The key of each of `numbers` [batch], for tasks that draw an example from its number."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(_EXAMPLES), numbers)
