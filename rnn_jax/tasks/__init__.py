"""What is asked of a network. A new task is one file, one line in `TASKS`, and its keys in the schema."""

from collections.abc import Callable, Mapping

from rnn_jax.tasks import classification, copying, language_modelling, regression
from rnn_jax.tasks.task import Batch, Splits, Task

TASKS: dict[str, tuple[Callable[..., Task], tuple[str, ...]]] = {
    "classification": (classification.build, ("reading", "permutation_seed", "shift_pixels")),
    "adding": (regression.build_adding, ("time_steps",)),
    "copying": (copying.build, ("delay_steps", "copied_symbols", "alphabet_size")),
    "language_modelling": (language_modelling.build, ("window_steps", "evaluation_rows", "loss_per")),
}
"""By name: the builder, and the keys of the config section that are its own."""


def build(
    data_spec: Mapping[str, int | str],
    splits: Splits,
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
    window_steps: int | None,
    evaluation_rows: int | None,
    loss_per: str | None,
) -> Task:
    """Builds the task called `name` for data of that spec in those splits (the config section `task`).

    Raises:
        UserError: the data are too few for a batch.
    """
    options = {
        "reading": reading,
        "permutation_seed": permutation_seed,
        "shift_pixels": shift_pixels,
        "time_steps": time_steps,
        "delay_steps": delay_steps,
        "copied_symbols": copied_symbols,
        "alphabet_size": alphabet_size,
        "window_steps": window_steps,
        "evaluation_rows": evaluation_rows,
        "loss_per": loss_per,
    }
    builder, keys = TASKS[name]
    return builder(data_spec, splits, batch_size, **{key: options[key] for key in keys})


__all__ = ["TASKS", "Batch", "Task", "build"]
