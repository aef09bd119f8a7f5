"""Build a task for a test."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_jax import catalogue, tasks
from rnn_jax.config.sections.section import Hyper


def make_task(
    data_spec: dict[str, Any],
    splits: Mapping[str, int | dict[str, np.ndarray]],
    batch_size: int,
    **keys: Any,
) -> tasks.Task:
    """Build a task with unset keys as None. `splits` has arrays, or just the number of examples."""
    entry = catalogue.TASKS[keys["name"]]
    unset = {key: None for key, field in entry.option_fields.items() if Hyper not in field.metadata}
    arrays = {
        split: {"numbers": np.zeros(found)} if isinstance(found, int) else found
        for split, found in splits.items()
    }
    return tasks.build_task(data_spec, arrays, batch_size, **{**unset, **keys})
