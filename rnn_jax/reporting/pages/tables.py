"""The tables of the report: a row a run, and a row for the runs that differ by the seed alone."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.formatting import format_metric, format_seconds, format_spread, in_order
from rnn_jax.reporting.pages import points
from rnn_jax.reporting.pages.differences import SEED, value_of, written
from rnn_jax.reporting.pages.reading import TESTED, Run, is_number

MOST_KEYS = 8
"""Columns of keys; the others are told with the differences."""
NOTHING = ("–", None)

Cell = tuple[str, Any]
"""The text, and what it is sorted by: a number, a text, or None, which stands last whichever way."""
Figure = tuple[str, str]
"""A split and the name of one of its figures."""


class Table(NamedTuple):
    """A table as the page shows it."""

    columns: list[tuple[str, str]]
    """The heading, and 'number', 'text' or 'run', of which the cell is the way to its details."""
    rows: list[list[Cell]]
    numbers: list[int]
    """Of each row, the place of its run among all; empty where a row is no single run."""


def of_runs(runs: Sequence[Run], keys: Sequence[str], objective: Objective) -> Table:
    """A row a run, in their order; what decides stands before the keys, so that it is seen first."""
    first, others = _figures(runs, objective)
    columns = [
        ("run", "run"),
        *_headings(first),
        ("status", "text"),
        *((key, "number" if _all_numbers(runs, key) else "text") for key in keys[:MOST_KEYS]),
        *_headings(others),
        ("best step", "number"),
        ("step", "number"),
        ("time", "number"),
    ]
    rows = []
    for run in runs:
        row: list[Cell] = [(run.name, int(run.name) if run.name.isdecimal() else run.name)]
        row += [_figure(name, run.figures.get(split, {}).get(name)) for split, name in first]
        row.append((run.status if run.reason is None else f"{run.status}: {run.reason}", run.status))
        row += [_value(run, key) for key in keys[:MOST_KEYS]]
        row += [_figure(name, run.figures.get(split, {}).get(name)) for split, name in others]
        row += [_step(run.best_step), _step(run.step), _seconds(run.summary.get("wall_seconds"))]
        rows.append(row)
    return Table(columns, rows, list(range(len(runs))))


def over_seeds(
    runs: Sequence[Run], own: Sequence[dict[str, Any]], keys: Sequence[str], objective: Objective
) -> Table | None:
    """A row for the runs that differ by the seed alone: mean ± deviation. None where no two do."""
    groups = points.over_seeds(runs, own, objective)
    if len(groups) == len(runs):
        return None
    shown = [key for key in keys if key != SEED][:MOST_KEYS]
    first, others = _figures(runs, objective)
    columns = [
        *_headings(first),
        *((key, "number" if _all_numbers(runs, key) else "text") for key in shown),
        ("runs", "text"),
        *_headings(others),
        ("best step", "number"),
    ]
    rows = []
    for group in groups:
        ends = Counter(run.status for run in group)
        row = [_spread(group, figure) for figure in first]
        row += [_value(group[0], key) for key in shown]
        row.append((", ".join(f"{count} {status}" for status, count in ends.items()), len(group)))
        row += [_spread(group, figure) for figure in others]
        steps = [run.best_step for run in group if run.best_step is not None]
        row.append(_step(round(statistics.mean(steps)) if steps else None))
        rows.append(row)
    return Table(columns, rows, [])


def _figures(runs: Sequence[Run], objective: Objective) -> tuple[list[Figure], list[Figure]]:
    """The figures that there are: what decides, and all others."""
    found = []
    for split in ("validation", *TESTED):
        names = in_order(name for run in runs for name in run.figures.get(split, {}))
        found += [(split, name) for name in names]
    decides = ("validation", objective.metric)
    return [one for one in found if one == decides], [one for one in found if one != decides]


def _headings(figures: Sequence[Figure]) -> list[tuple[str, str]]:
    return [(f"{split} {name}".replace("_", " "), "number") for split, name in figures]


def _spread(group: Sequence[Run], figure: Figure) -> Cell:
    """Mean and deviation of a figure."""
    split, name = figure
    values = [run.figures[split][name] for run in group if name in run.figures.get(split, {})]
    return (format_spread(name, values), statistics.mean(values)) if values else NOTHING


def _all_numbers(runs: Sequence[Run], key: str) -> bool:
    return all(is_number(value_of(run, key)) for run in runs)


def _value(run: Run, key: str) -> Cell:
    if key not in run.config and key not in run.point:
        return NOTHING
    value = value_of(run, key)
    return written(value), value if is_number(value) else str(value)


def _figure(name: str, value: float | None) -> Cell:
    return NOTHING if value is None else (format_metric(name, value), value)


def _step(step: int | None) -> Cell:
    return NOTHING if step is None else (f"{step:,}", step)


def _seconds(seconds: Any) -> Cell:
    return (format_seconds(seconds), seconds) if is_number(seconds) else NOTHING
