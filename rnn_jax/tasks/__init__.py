"""Tasks: what a network is trained to predict. `rnn_jax.catalogue.TASKS` has them by name."""

from collections.abc import Mapping
from typing import Any

from rnn_jax.catalogue import TASKS, options_of, resolve
from rnn_jax.tasks.task import Batch, Splits, Task

__all__ = ["Batch", "Task", "build_task"]


def build_task(
    data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, name: str, **options: Any
) -> Task:
    """Build the task called `name` for data of that spec in those splits.

    Args:
        data_spec: the data set's spec.
        splits: the arrays of each split.
        batch_size: rows of a batch.
        name: a key of `catalogue.TASKS`.
        options: the other keys of the config section `task`, those that are `Hyper` apart.

    Raises:
        UserError: the data do not fit the task, or are too few for a batch.
    """
    entry = TASKS[name]
    own = {key: options[key] for key in options_of(entry) if key in options}
    return resolve(entry.builder)(data_spec, splits, batch_size, **own)
