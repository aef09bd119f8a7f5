"""What is asked of a network. A new task is one file, one line in `TASKS`, and its keys in the schema."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rnn_jax.tasks import adding, classification, copying, language_modelling, sequences
from rnn_jax.tasks.task import Batch, Splits, Task

TASKS: dict[str, Callable[..., Task]] = {
    "classification": classification.build_classification,
    "text_classification": sequences.build_text_classification,
    "sequence_classification": sequences.build_sequence_classification,
    "sequence_regression": sequences.build_sequence_regression,
    "adding": adding.build_adding,
    "copying": copying.build_copying,
    "language_modelling": language_modelling.build_language_modelling,
}
"""By name the builder, whose keyword-only arguments are those keys of the config section that are its own."""


def own_keys(name: str) -> tuple[str, ...]:
    """The keys of the config section `task` that a task is built by."""
    parameters = inspect.signature(TASKS[name]).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)


def build_task(
    data_spec: Mapping[str, Any], splits: Splits, batch_size: int, *, name: str, **options: Any
) -> Task:
    """Builds the task called `name` for data of that spec in those splits.

    Args:
        data_spec: the data set's spec.
        splits: the arrays of each split.
        batch_size: rows of a batch.
        name: a key of `TASKS`.
        options: the other keys of the config section `task`.

    Raises:
        UserError: the data do not fit the task, or are too few for a batch.
    """
    return TASKS[name](data_spec, splits, batch_size, **{key: options[key] for key in own_keys(name)})


__all__ = ["TASKS", "Batch", "Task", "build_task", "own_keys"]
