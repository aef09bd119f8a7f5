"""The tables of the report: a row per run, and a row per group of runs that differ in the seed only."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.formatting import format_seconds, in_order
from rnn_jax.reporting.pages.collection import SEED
from rnn_jax.reporting.pages.facts import format_value, spread
from rnn_jax.reporting.pages.reading import TEST_SPLITS, Run, is_number

MAX_KEYS = 8
"""Number of columns with config keys; the table of differences has all."""
EMPTY = ("–", None)

Group = Sequence[Run]
"""The runs of a row; one, except in the table of groups."""
Cell = tuple[str, Any]
"""A text, and what it is sorted by: a number, a text, or None, which is always last."""


class Column(NamedTuple):
    """A column's heading, its kind, its cells, and whether its first click sorts the largest value first."""

    heading: str
    kind: str  # 'number', 'text', or 'run' for a link to the run's details
    cell: Callable[[Group], Cell]
    descending: bool = False


class Table(NamedTuple):
    """A table of the page."""

    columns: list[tuple[str, str, bool]]  # heading, kind and `descending` of each
    rows: list[list[Cell]]
    numbers: list[int]  # of each row, the index of its run; [] if rows are groups


def table_of_runs(runs: Sequence[Run], keys: Sequence[str], objective: Objective | None) -> Table:
    """A row per run, in their order; the objective comes first, then status and keys."""

    def name(group: Group) -> Cell:
        own = group[0].name
        return own, int(own) if own.isdecimal() else own

    def status(group: Group) -> Cell:
        run = group[0]
        return run.status if run.reason is None else f"{run.status}: {run.reason}", run.status

    def time(group: Group) -> Cell:
        seconds = group[0].summary.get("wall_seconds")
        return (format_seconds(seconds), seconds) if is_number(seconds) else EMPTY

    first, others = _metric_columns(runs, objective)
    columns = [
        Column("run", "run", name),
        *first,
        Column("status", "text", status),
        *_key_columns(runs, keys),
        *others,
        Column("best step", "number", _best_step),
        Column("step", "number", lambda group: _step(group[0].step)),
        Column("time", "number", time),
    ]
    return _table(columns, [[run] for run in runs], list(range(len(runs))))


def table_of_groups(groups: Sequence[Group], keys: Sequence[str], objective: Objective | None) -> Table:
    """A row per group of runs that differ in the seed only, in their order: mean ± deviation."""
    runs = [run for group in groups for run in group]
    first, others = _metric_columns(runs, objective)
    columns = [
        *first,
        *_key_columns(runs, [key for key in keys if key != SEED]),
        Column("runs", "text", _statuses),
        *others,
        Column("best step", "number", _best_step),
    ]
    return _table(columns, groups, [])


def _table(columns: Sequence[Column], groups: Sequence[Group], numbers: list[int]) -> Table:
    rows = [[column.cell(group) for column in columns] for group in groups]
    return Table([(column.heading, column.kind, column.descending) for column in columns], rows, numbers)


def _metric_columns(runs: Sequence[Run], objective: Objective | None) -> tuple[list[Column], list[Column]]:
    """The column of the objective, if any run has it, and those of all other metrics."""
    first, others = list[Column](), list[Column]()
    for split in ("validation", *TEST_SPLITS):
        for name in in_order(name for run in runs for name in run.metrics[split]):
            direction = objective.direction if objective is not None and name == objective.metric else None
            cell = partial(_mean, split=split, name=name)
            column = Column(f"{split} {name}".replace("_", " "), "number", cell, direction == "max")
            (first if direction is not None and split == "validation" else others).append(column)
    return first, others


def _key_columns(runs: Sequence[Run], keys: Sequence[str]) -> list[Column]:
    are_numbers = {key: all(is_number(run.value(key)) for run in runs) for key in keys[:MAX_KEYS]}
    return [
        Column(key, "number" if are_numbers[key] else "text", partial(_value, key=key)) for key in are_numbers
    ]


def _statuses(group: Group) -> Cell:
    counts = Counter(run.status for run in group)
    return ", ".join(f"{count} {status}" for status, count in counts.items()), len(group)


def _mean(group: Group, split: str, name: str) -> Cell:
    values = [value for run in group if (value := run.metric(name, split)) is not None]
    return (spread(group, split, name), statistics.mean(values)) if values else EMPTY


def _value(group: Group, key: str) -> Cell:
    run, value = group[0], group[0].value(key)
    if key not in run.config and key not in run.point:
        return EMPTY
    return format_value(value), value if is_number(value) else str(value)


def _best_step(group: Group) -> Cell:
    steps = [run.best_step for run in group if run.best_step is not None]
    return _step(round(statistics.mean(steps)) if steps else None)


def _step(step: int | None) -> Cell:
    return EMPTY if step is None else (f"{step:,}", step)
