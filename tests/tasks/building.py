"""Builds a task from the keys that it needs: the others are not set."""

import inspect
from typing import Any

import numpy as np

from rnn_jax import tasks


def build_task(data_spec: dict[str, Any], counts: dict[str, int], batch_size: int, **keys: Any) -> tasks.Task:
    parameters = inspect.signature(tasks.build).parameters.values()
    unset: dict[str, Any] = {
        parameter.name: None for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY
    }
    splits = {split: {"numbers": np.zeros(count)} for split, count in counts.items()}
    return tasks.build(data_spec, splits, batch_size, **unset | keys)
