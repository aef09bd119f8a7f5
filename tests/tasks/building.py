"""Builds a task from the keys that it needs: the others are not set."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_jax import tasks


def build_task(
    data_spec: dict[str, Any],
    splits: Mapping[str, int | dict[str, np.ndarray]],
    batch_size: int,
    **keys: Any,
) -> tasks.Task:
    """`splits`: their arrays, or how many examples they have where that is all that matters."""
    parameters = inspect.signature(tasks.build).parameters.values()
    unset: dict[str, Any] = {
        parameter.name: None for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY
    }
    arrays = {
        split: {"numbers": np.zeros(found)} if isinstance(found, int) else found
        for split, found in splits.items()
    }
    return tasks.build(data_spec, arrays, batch_size, **unset | keys)
