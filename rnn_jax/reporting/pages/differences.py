"""In what runs differ: the keys of their configs that have more than one value."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rnn_jax.reporting.pages.reading import Run, is_number

SEED = "train.seed"
OF_LITTLE_WORTH = ("checkpoint.", "log.", "runtime.", "dataset.data_dir", "dataset.manual_dir")
"""Keys of which a difference is told, and not compared."""
SECTIONS = ("model", "optimizer", "task", "dataset", "train")
SUBJECT = ("task.name", "dataset.name")
FACTOR_OF_LOGARITHMS = 5  # positive numbers that span more get a logarithmic axis

Scale = Literal["log", "linear", "names"]


def value_of(run: Run, key: str) -> Any:
    """What a run has for a key; None too where it has nothing."""
    return run.config.get(key, run.point.get(key))


def divide(runs: Sequence[Run]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all configs have in common, and what each has besides, by dotted key."""
    if not runs:
        return {}, []
    settings = [{**run.point, **run.config} for run in runs]
    common = {
        key: value
        for key, value in settings[0].items()
        if all(key in other and _same(other[key], value) for other in settings)
    }
    return common, [{key: own[key] for key in own if key not in common} for own in settings]


def differing(own: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that not all runs have with the same value, by section: the model's, the optimizer's, ..."""
    keys = dict.fromkeys(key for settings in own for key in settings)
    order = {section: place for place, section in enumerate(SECTIONS)}
    return sorted(keys, key=lambda key: order.get(key.partition(".")[0], len(order)))


def compared(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """Of the differing keys those that runs are compared by.

    Task and data first, then what a sweep varies; the seed is last.
    """
    points = dict.fromkeys(key for run in runs for key in run.point)
    varied = [key for key in dict.fromkeys([*SUBJECT, *points]) if key in keys or key in points]
    varied = [key for key in varied if key != SEED]
    others = [
        key for key in keys if key not in varied and key != SEED and not key.startswith(OF_LITTLE_WORTH)
    ]
    return [*varied, *others, *([SEED] if SEED in keys else [])]


def scale_of(values: Sequence[Any]) -> Scale:
    """The axis on which such values are shown."""
    if not values or not all(is_number(value) for value in values):
        return "names"
    low, high = min(values), max(values)
    return "log" if low > 0 and high >= FACTOR_OF_LOGARITHMS * low else "linear"


def written(value: Any) -> str:
    """A value of a config for people: numbers short, texts as they are."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one: 1 is 1.0, and not True."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
