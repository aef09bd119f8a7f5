"""The tables of the report: a row a run, and a row for the runs that differ by the seed alone."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rnn_jax.reporting.formatting import format_figure, format_seconds, format_spread, in_order
from rnn_jax.reporting.pages.collect import LAST, Objective
from rnn_jax.reporting.pages.differences import OF_LITTLE_WORTH, SEED, value_of, written
from rnn_jax.reporting.pages.reading import TESTED, Run, is_number

MOST_KEYS = 8
"""Columns of keys; the others are told with the differences."""
NOTHING = ("–", None)

Cell = tuple[str, Any]
"""The text, and what it is sorted by: a number, a text, or None, which stands last whichever way."""


class Table(NamedTuple):
    """A table as the page shows it."""

    columns: list[tuple[str, str]]
    """The heading, and 'number', 'text' or 'run', of which the cell is the way to its details."""
    rows: list[list[Cell]]
    numbers: list[int]
    """Of each row, the place of its run among all; empty where a row is no single run."""


def of_runs(runs: Sequence[Run], keys: Sequence[str]) -> Table:
    """A row a run, in their order."""
    figures = _figures(runs)
    columns = [
        ("run", "run"),
        *((key, "number" if _all_numbers(runs, key) else "text") for key in keys[:MOST_KEYS]),
        ("status", "text"),
        *((f"{split} {name}".replace("_", " "), "number") for split, name in figures),
        ("best step", "number"),
        ("step", "number"),
        ("time", "number"),
    ]
    rows = []
    for run in runs:
        row: list[Cell] = [(run.name, int(run.name) if run.name.isdecimal() else run.name)]
        row += [_value(value_of(run, key)) for key in keys[:MOST_KEYS]]
        row.append((run.status if run.reason is None else f"{run.status}: {run.reason}", run.status))
        row += [_figure(name, run.figures.get(split, {}).get(name)) for split, name in figures]
        row += [_step(run.best_step), _step(run.step), _seconds(run.summary.get("wall_seconds"))]
        rows.append(row)
    return Table(columns, rows, list(range(len(runs))))


def over_seeds(
    runs: Sequence[Run], own: Sequence[dict[str, Any]], keys: Sequence[str], objective: Objective
) -> Table | None:
    """A row for the runs that differ by the seed alone: mean ± deviation. None where no two do."""
    groups: dict[str, list[Run]] = {}
    for run, settings in zip(runs, own, strict=True):
        told = {k: v for k, v in settings.items() if k != SEED and not k.startswith(OF_LITTLE_WORTH)}
        groups.setdefault(json.dumps(told, sort_keys=True), []).append(run)
    if len(groups) == len(runs):
        return None
    shown, figures = [key for key in keys if key != SEED][:MOST_KEYS], _figures(runs)
    columns = [
        *((key, "number" if _all_numbers(runs, key) else "text") for key in shown),
        ("runs", "text"),
        *((f"{split} {name}".replace("_", " "), "number") for split, name in figures),
        ("best step", "number"),
    ]
    rows = []
    for group in sorted(groups.values(), key=lambda group: _place(group, objective)):
        row = [_value(value_of(group[0], key)) for key in shown]
        ends = Counter(run.status for run in group)
        row.append((", ".join(f"{count} {status}" for status, count in ends.items()), len(group)))
        for split, name in figures:
            values = [run.figures[split][name] for run in group if name in run.figures.get(split, {})]
            row.append((format_spread(name, values), statistics.mean(values)) if values else NOTHING)
        steps = [run.best_step for run in group if run.best_step is not None]
        row.append(_step(round(statistics.mean(steps)) if steps else None))
        rows.append(row)
    return Table(columns, rows, [])


def _place(group: Sequence[Run], objective: Objective) -> tuple[int, bool, float]:
    """Where a group stands among all: as `reporting.ranking` has it for the points of a sweep."""
    name, direction = objective
    values = [run.figures["validation"][name] for run in group if name in run.figures["validation"]]
    cost = statistics.mean(values) * (-1 if direction == "max" else 1) if values else math.inf
    return max(LAST.get(run.status, 0) for run in group), len(values) < len(group), cost


def _figures(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """The figures that there are, by split and name."""
    found = []
    for split in ("validation", *TESTED):
        names = in_order(name for run in runs for name in run.figures.get(split, {}))
        found += [(split, name) for name in names]
    return found


def _all_numbers(runs: Sequence[Run], key: str) -> bool:
    return all(is_number(value_of(run, key)) for run in runs)


def _value(value: Any) -> Cell:
    return written(value), value if is_number(value) else str(value)


def _figure(name: str, value: float | None) -> Cell:
    return NOTHING if value is None else (format_figure(name, value), value)


def _step(step: int | None) -> Cell:
    return NOTHING if step is None else (f"{step:,}", step)


def _seconds(seconds: Any) -> Cell:
    return (format_seconds(seconds), seconds) if is_number(seconds) else NOTHING
