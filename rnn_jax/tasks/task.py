"""The interface of a task: inputs, targets, loss and metrics, batch by batch.

A task is a tuple of pure functions over the arrays of a data set. `select` chooses the examples of a batch on
the host, `fetch` turns them into the inputs of a network on the device, and `loss` compares its outputs to
the targets:

    batch = task.fetch(data, task.select("train", seed, step), keys)
    total, count, metrics = task.loss(outputs, batch, hyper)      # the mean loss is total / count
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax.config.objective import Direction, Objective

Arrays = Mapping[str, jax.Array]
"""The arrays of one split by name, on the device."""

Splits = Mapping[str, Mapping[str, np.ndarray]]
"""The arrays of each split on the host: their first axis counts examples, or the tokens of a text."""

Hyper = Mapping[str, jax.Array]
"""Numeric hyperparameters by config key: scalars, arguments of the compiled step."""

Metrics = dict[str, tuple[jax.Array, jax.Array]]
"""Metrics as (sum, count) pairs: merged by addition, divided once at the end."""

Select = Callable[[str, int, int], np.ndarray]
"""(split, seed, step) -> indices; see `Task.select`."""


class Batch(NamedTuple):
    """The inputs and targets of one step. Rows are examples, or streams of text."""

    inputs: jax.Array
    """[batch, time, features], or tokens [batch, time]."""
    targets: jax.Array
    """[batch] or [batch, outputs] for per-sequence outputs, [batch, time] for per-step outputs."""
    weights: jax.Array
    """[batch], or [batch, time] for per-step outputs: 1, and 0 for padding."""
    lengths: jax.Array | None = None
    """[batch]: time steps of each row before its padding; None: no row has padding."""
    fresh: jax.Array | None = None
    """[batch], bool: rows whose carry starts anew, in tasks that pass the carry on; None: no row."""


Fetch = Callable[[Arrays, jax.Array, jax.Array | None], Batch]
"""(data, indices, keys) -> batch; see `Task.fetch`."""


class Task(NamedTuple):
    """Inputs, targets, loss and metrics; the module docstring shows how the parts are used."""

    spec: Mapping[str, Any]
    """Plain values that the model is built from: `input_size` or `vocabulary`, `time_steps`, `output_size`,
    and `head`: 'sequence' (per-sequence output) or 'step' (per-step)."""
    objective: Objective
    """The validation metrics that decide the best checkpoint, early stopping and sweeps. `train.objective`
    replaces them."""
    metrics: Mapping[str, Direction]
    """The better direction of each metric that `loss` returns."""
    batches: Mapping[str, Fraction]
    """Batches in one pass through each split; a fraction where the last batch is ragged."""
    select: Select
    """(split, seed, step) -> indices [batch, ...]: an example number for each row, optionally followed by
    more about the example, or the tokens of a text window; -1 is padding. NumPy, on the host; the shape
    depends on (split, step) alone."""
    fetch: Fetch
    """(data, indices, keys) -> batch. Traced. `keys` [batch], one for each row, draw augmentations; None: no
    augmentation."""
    loss: Callable[[Any, Batch, Hyper], tuple[jax.Array, jax.Array, Metrics]]
    """(outputs, batch, hyper) -> (sum of losses, their count, metrics)."""
    class_counts: Callable[[Any, Batch], Metrics] = lambda outputs, batch: {}
    """(outputs, batch) -> the metrics that evaluations have beside those of `loss`: pairs of [classes]."""
    finalize: Callable[[dict[str, Any]], dict[str, Any]] = dict
    """(merged metrics) -> the same and those derived from them, such as the perplexity of a mean loss. On the
    host."""
    derived: Mapping[str, Direction] = MappingProxyType({})
    """The better direction of each metric that `finalize` adds to those of an evaluation."""
    carry_rows: Mapping[str, int] | None = None
    """The number of rows of each split, if the carry passes from batch to batch; None: it does not."""
    reads_on_host: bool = False
    """Whether `select` returns the data itself: devices then hold no arrays, and `fetch` receives none."""
    unit: str = "examples"
    """The unit of throughput, 'examples' or 'tokens'."""
    units_per_row: int = 1
    """Units in each row of a training batch."""

    @property
    def evaluated(self) -> dict[str, Direction]:
        """The better direction of each metric that an evaluation has: what can be an objective."""
        return {**self.metrics, **self.derived}
