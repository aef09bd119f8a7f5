"""What is asked of a network. A new task is one file, one line in `TASKS`, and its keys in the schema."""

from collections.abc import Callable, Mapping

from rnn_jax.tasks import classification, copying, regression
from rnn_jax.tasks.task import Batch, Task

TASKS: dict[str, tuple[Callable[..., Task], tuple[str, ...]]] = {
    "classification": (classification.build, ("reading", "permutation_seed", "shift_pixels")),
    "adding": (regression.build_adding, ("time_steps",)),
    "copying": (copying.build, ("delay_steps", "copied_symbols", "alphabet_size")),
}
"""By name: the builder, and the keys of the config section that are its own."""


def build(
    data_spec: Mapping[str, int | str],
    counts: Mapping[str, int],
    batch_size: int,
    *,
    name: str,
    reading: str | None,
    permutation_seed: int | None,
    shift_pixels: int | None,
    time_steps: int | None,
    delay_steps: int | None,
    copied_symbols: int | None,
    alphabet_size: int | None,
) -> Task:
    """Builds the task called `name` for data of that spec and those counts (the config section `task`)."""
    options = {
        "reading": reading,
        "permutation_seed": permutation_seed,
        "shift_pixels": shift_pixels,
        "time_steps": time_steps,
        "delay_steps": delay_steps,
        "copied_symbols": copied_symbols,
        "alphabet_size": alphabet_size,
    }
    builder, keys = TASKS[name]
    return builder(data_spec, counts, batch_size, **{key: options[key] for key in keys})


__all__ = ["TASKS", "Batch", "Task", "build"]
