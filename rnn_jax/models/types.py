"""Types that the networks share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

Array = jax.Array

ArrayLike = jax.Array | np.ndarray

Parameters = dict[str, Any]
"""Arrays by Flax's names."""

Carry = Any
"""The state of a cell: any pytree of arrays [batch, ...]."""

Lengths = Array | None
"""[batch], the number of real steps of each row; None: all."""

LengthsLike = ArrayLike | Sequence[int] | None
"""Lengths as they are given: integers of any type."""

Padding = Array | None
"""[batch, time], bool: True for steps that are padding; None: there is no padding."""

InputMap = dict[str, Array] | None
"""A linear layer before a recurrence: `kernel` [features, mapped] and `bias` [mapped]; None: none."""

Hyper = Mapping[str, Array]
"""Numeric hyperparameters by their config key."""

Initializer = Callable[..., Array]
"""(key, shape, dtype) -> array."""


class Keys(NamedTuple):
    """The random keys of a training step, for dropout."""

    rows: Array
    """[batch], one key per row: the same for a row on any number of devices."""
    batch: Array
    """One key for all rows, for what is random about parameters."""
