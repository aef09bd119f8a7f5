"""Builds a task from the keys that it needs: the others are not set."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_jax import tasks


def make_task(
    data_spec: dict[str, Any],
    splits: Mapping[str, int | dict[str, np.ndarray]],
    batch_size: int,
    **keys: Any,
) -> tasks.Task:
    """`splits`: their arrays, or how many examples they have where that is all that matters."""
    unset: dict[str, Any] = {key: None for name in tasks.TASKS for key in tasks.own_keys(name)}
    arrays = {
        split: {"numbers": np.zeros(found)} if isinstance(found, int) else found
        for split, found in splits.items()
    }
    return tasks.build_task(data_spec, arrays, batch_size, **unset | keys)
