"""What is asked of a network. A new task is one file, one line in `TASKS`, and its keys in the schema."""

from collections.abc import Callable, Mapping

from rnn_jax.tasks import classification
from rnn_jax.tasks.task import Batch, Task

TASKS: dict[str, Callable[..., Task]] = {"classification": classification.build}


def build(
    data_spec: Mapping[str, int | str],
    counts: Mapping[str, int],
    batch_size: int,
    *,
    name: str,
    shift_pixels: int,
) -> Task:
    """Builds the task called `name` for data of that spec and those counts (the config section `task`)."""
    return TASKS[name](data_spec, counts, batch_size, shift_pixels=shift_pixels)


__all__ = ["TASKS", "Batch", "Task", "build"]
