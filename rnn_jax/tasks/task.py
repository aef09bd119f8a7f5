"""The interface of a task: what is asked of a network, batch by batch.

A task is a tuple of pure functions over the arrays of a data set. It says which examples make a batch (on the
host, where drawing an order is cheap), how they become the network's inputs (traced, on the device) and what
the network's outputs are worth. Two lines show the whole of it:

    batch = task.fetch(data, task.select("train", seed, step), keys)
    total, count, metrics = task.loss(outputs, batch, hyper)      # the mean loss is total / count
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax.config.objective import Direction, Objective

Arrays = Mapping[str, jax.Array]
"""The arrays of one split, by name."""

Splits = Mapping[str, Mapping[str, np.ndarray]]
"""By split the arrays of a data set on the host: their first axis counts the examples, or a text's tokens."""

Hyper = Mapping[str, jax.Array]
"""Numeric hyperparameters by their config key: scalars, arguments of the compiled step."""

Metrics = dict[str, tuple[jax.Array, jax.Array]]
"""Metrics as (sum, count): merged by adding, divided once at the end."""

_EXAMPLES = 20_261_101  # the seed of the examples that tasks draw: another one makes other data sets


class Batch(NamedTuple):
    """What one step sees. Rows are examples, or streams of text."""

    inputs: jax.Array
    """[batch, time, features], or token numbers [batch, time]."""
    targets: jax.Array
    """[batch], or [batch, time] where every step is asked for."""
    weights: jax.Array
    """[batch], or [batch, time] where every step is asked for: 1, and 0 for what only fills the batch up."""
    lengths: jax.Array | None = None
    """[batch]: how many steps of each row are real; None: all of them."""
    fresh: jax.Array | None = None
    """[batch], bool: the rows whose carry starts anew, where a task passes it on; None: none of them."""


class Task(NamedTuple):
    """What is asked: see the module's docstring for how the parts are used together."""

    spec: Mapping[str, Any]
    """Plain values the model is built from: `input_size`, `time_steps`, `output_size`, `head`."""
    objective: Objective
    """The validation metric that decides best checkpoints, early stopping, sweeps and reports."""
    metrics: Mapping[str, Direction]
    """The names of the metrics that `loss` returns, each with its better direction."""
    batches: Mapping[str, Fraction]
    """How many batches go through each split once; the last may be ragged."""
    select: Callable[[str, int, int], np.ndarray]
    """(split, seed, step) -> example numbers [batch], or [batch, ...] where more is said of each example, its
    number first, or the tokens of a window of text [batch, ...]; -1 where there is nothing. NumPy, on the
    host; the shape depends on (split, step) alone."""
    fetch: Callable[[Arrays, jax.Array, jax.Array | None], Batch]
    """(data, indices, keys) -> batch. Traced. `keys` [batch], one a row, draw augmentations; None: nothing is
    random."""
    loss: Callable[[Any, Batch, Hyper], tuple[jax.Array, jax.Array, Metrics]]
    """(outputs, batch, hyper) -> (sum of losses, their count, metrics)."""
    finalize: Callable[[dict[str, float]], dict[str, float]] = dict
    """(merged metrics) -> the same and what follows from them: a perplexity from a mean loss. On the host."""
    carry_rows: Mapping[str, int] | None = None
    """Where the carry passes from batch to batch, for how many rows in each split; None: it does not."""
    reads_on_host: bool = False
    """Whether `select` reads the data itself: the devices then hold none, and `fetch` is given no arrays."""
    unit: str = "examples"
    """What is counted in rates."""
    units_per_row: int = 1
    """How many of these a row of a training batch is."""


def key_of_numbers(numbers: jax.Array) -> jax.Array:
    """The key of each of `numbers` [batch], for tasks that draw an example from its number."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(_EXAMPLES), numbers)
