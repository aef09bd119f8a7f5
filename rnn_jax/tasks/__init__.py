"""Tasks: what a network is trained to predict. `rnn_jax.catalogue.TASKS` has them by name."""

from collections.abc import Mapping
from typing import Any

from rnn_jax.catalogue import TASKS
from rnn_jax.tasks.task import Batch, Splits, Task

__all__ = ["Batch", "Task", "build_task"]


def build_task(
    data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, name: str, **options: Any
) -> Task:
    """Build the task `name` of `catalogue.TASKS` for data of that spec in those splits.

    `options` are the other keys of the config section `task`, without those that are `Hyper`.

    Raises:
        UserError: the data do not fit the task, or are too few for a batch.
    """
    entry = TASKS[name]
    own = {key: options[key] for key in entry.option_fields if key in options}
    return entry.build(data_spec, splits, batch_size, **own)
