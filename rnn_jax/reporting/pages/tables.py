"""The tables of the report: a row per run, and a row per group of runs that differ in the seed only."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.formatting import format_seconds, format_spread, in_order
from rnn_jax.reporting.pages.collection import SEED
from rnn_jax.reporting.pages.facts import format_value
from rnn_jax.reporting.pages.reading import TEST_SPLITS, Run, is_number, values_of
from rnn_jax.reporting.ranking import Benchmark, merge_seeds

MAX_KEYS = 8
"""Number of columns with config keys; the table of differences has all."""
EMPTY = ("–", None)

Group = Sequence[Run]
"""The runs of a row; one, except in the table of groups."""
Names = Mapping[Benchmark, str]
Cell = tuple[str, Any]
"""A text, and what it is sorted by: a number, a text, or None, which is always last."""


class Column(NamedTuple):
    """A column's heading, its kind, its cells, and whether its first click sorts the largest value first."""

    heading: str
    kind: str  # 'number', 'text', or 'run' for a link to the run's details
    cells: list[Cell]
    descending: bool = False


class Table(NamedTuple):
    """A table of the page."""

    columns: list[tuple[str, str, bool]]  # heading, kind and `descending` of each
    rows: list[tuple[Cell, ...]]
    numbers: list[int]  # of each row, the index of its run; [] if rows are groups


def table_of_runs(
    runs: Sequence[Run], keys: Sequence[str], objective: Objective | None, names: Names | None = None
) -> Table:
    """A row per run, in their order; the objective comes first, then status and keys.

    `names` are those of benchmarks, for a column if there are any.
    """
    groups = [[run] for run in runs]
    first, others = _metric_columns(groups, objective)
    seconds = [run.summary.get("wall_seconds") for run in runs]
    links = [(run.name, int(run.name) if run.name.isdecimal() else run.name) for run in runs]
    columns = [
        Column("run", "run", links),
        *first,
        Column("status", "text", [(run.outcome, run.status) for run in runs]),
        *_benchmark_column(groups, names),
        *_key_columns(groups, keys),
        *others,
        _best_steps(groups),
        Column("step", "number", [_step(run.step) for run in runs]),
        Column("time", "number", [(format_seconds(s), s) if is_number(s) else EMPTY for s in seconds]),
    ]
    return _table(columns, list(range(len(runs))))


def table_of_groups(
    groups: Sequence[Group],
    keys: Sequence[str],
    objective: Objective | None,
    names: Names | None = None,
) -> Table:
    """A row per group of runs that differ in the seed only, in their order: mean ± deviation."""
    first, others = _metric_columns(groups, objective)
    seeds = [merge_seeds(group) for group in groups]
    columns = [
        *first,
        *_benchmark_column(groups, names),
        *_key_columns(groups, [key for key in keys if key != SEED]),
        Column("runs", "text", [(each.outcome, len(each.distinct)) for each in seeds]),
        *others,
        _best_steps(groups),
    ]
    return _table(columns, [])


def _table(columns: Sequence[Column], numbers: list[int]) -> Table:
    rows = list(zip(*(column.cells for column in columns), strict=True))
    return Table([(column.heading, column.kind, column.descending) for column in columns], rows, numbers)


def _metric_columns(
    groups: Sequence[Group], objective: Objective | None
) -> tuple[list[Column], list[Column]]:
    """The column of the objective, if any run has it, and those of all other metrics."""
    first, others = list[Column](), list[Column]()
    for split in ("validation", *TEST_SPLITS):
        for name in in_order(name for group in groups for run in group for name in run.metrics[split]):
            direction = objective.direction if objective is not None and name == objective.metric else None
            found = [values_of(group, name, split) for group in groups]
            cells: list[Cell] = [
                (format_spread(name, each), statistics.mean(each)) if each else EMPTY for each in found
            ]
            column = Column(f"{split} {name}".replace("_", " "), "number", cells, direction == "max")
            (first if direction is not None and split == "validation" else others).append(column)
    return first, others


def _key_columns(groups: Sequence[Group], keys: Sequence[str]) -> list[Column]:
    columns = []
    for key in keys[:MAX_KEYS]:
        is_numeric = all(is_number(run.value(key)) for group in groups for run in group)
        cells = [_value(group[0], key) for group in groups]
        columns.append(Column(key, "number" if is_numeric else "text", cells))
    return columns


def _value(run: Run, key: str) -> Cell:
    if key not in run.config and key not in run.point:
        return EMPTY
    value = run.value(key)
    return format_value(value), value if is_number(value) else str(value)


def _benchmark_column(groups: Sequence[Group], names: Names | None) -> list[Column]:
    if not names:
        return []
    data = [names[group[0].benchmark] for group in groups]
    return [Column("data", "text", [(name, name) for name in data])]


def _best_steps(groups: Sequence[Group]) -> Column:
    """The best step of each group, the mean over its runs."""
    counted = [merge_seeds(group).counted for group in groups]
    known = [[run.best_step for run in group if run.best_step is not None] for group in counted]
    cells = [_step(round(statistics.mean(steps)) if steps else None) for steps in known]
    return Column("best step", "number", cells)


def _step(step: int | None) -> Cell:
    return EMPTY if step is None else (f"{step:,}", step)
