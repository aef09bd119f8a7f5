"""The points of a sweep, ranked by their mean objective over seeds, and the importance of its keys."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.config.objective import Metrics, Objective
from rnn_jax.reporting.formatting import scalars
from rnn_jax.reporting.ranking import Benchmark, benchmark_of, complete, merge_seeds, rank_of

Row = Mapping[str, Any]
Point = dict[str, Any]
FAILED = ("diverged", "failed")
MAX_BINS = 5  # for the importance of a key


class RankedPoint(NamedTuple):
    """A point of a sweep and its results."""

    point: dict[str, Any]
    rows: list[Row]  # of its members, one per seed
    values: list[float]  # the best objective of each member that counts and has one
    counted: Sequence[Row] = ()  # those of `rows` that means are computed from
    benchmark: Benchmark | None = None
    repeated: int = 0  # further members with a seed of `rows`

    @property
    def has_result(self) -> bool:
        """Whether any member has a value and neither diverged nor failed."""
        is_known = any(row["best"] is not None and row["status"] not in FAILED for row in self.rows)
        return bool(self.values) and is_known

    @property
    def mean(self) -> float:
        """The mean objective; NaN if no member has one."""
        return statistics.mean(self.values) if self.values else math.nan


Ranked = Sequence[RankedPoint]


class _Member(NamedTuple):
    """A row as a `ranking.Member`."""

    row: Row

    @property
    def seed(self) -> int | None:
        return self.row.get("seed")

    @property
    def status(self) -> str:
        return self.row["status"]

    @property
    def best(self) -> Metrics:
        return scalars(self.row["best"] or {})

    @property
    def tested(self) -> Metrics:
        return scalars(self.row.get("test") or {})


def rank_points(rows: Sequence[Row], objective: Objective) -> list[RankedPoint]:
    """The points of a sweep's results.jsonl, best first, one data set after another if several were varied.

    Points with a member that diverged, failed, was pruned, or has no value are behind all others. A seed of a
    point counts once: a study may have tried a point several times.
    """
    benchmarks = [benchmark_of(row.get("dataset") or {}, {"task.name": "-", **row["point"]}) for row in rows]
    completed, places = complete(benchmarks), dict[Benchmark, int]()
    points: dict[str, tuple[Benchmark, list[_Member]]] = {}
    for row, benchmark in zip(rows, map(completed.get, benchmarks), strict=True):
        assert benchmark is not None
        places.setdefault(benchmark, len(places))
        identity = json.dumps([benchmark, row["point"]], sort_keys=True)
        points.setdefault(identity, (benchmark, []))[1].append(_Member(row))

    def key(found: tuple[Benchmark, list[_Member]]) -> tuple[int, bool, tuple[float, ...]]:
        rank = rank_of(found[1], objective)
        return places[found[0]], rank.behind > 0 or rank.is_missing, rank.key

    ranked = []
    for benchmark, members in sorted(points.values(), key=key):
        seeds = merge_seeds(members)
        rows, counted = ([member.row for member in each] for each in (seeds.distinct, seeds.counted))
        bests = [row["best"][objective.metric] for row in counted if row["best"] is not None]
        values = [value for value in bests if value is not None]
        repeated = len(members) - len(rows)
        ranked.append(RankedPoint(members[0].row["point"], rows, values, counted, benchmark, repeated))
    return ranked


def winners(ranked: Ranked) -> list[RankedPoint]:
    """The best point with a result on each data set, or the first one if none has a result."""
    found: dict[Benchmark | None, RankedPoint] = {}
    for each in ranked:
        if each.has_result:
            found.setdefault(each.benchmark, each)
    return list(found.values()) or [ranked[0]]


def importances(ranked: Sequence[RankedPoint], keys: Sequence[str]) -> dict[str, float]:
    """The share of the points' variance that each key explains alone, the largest first.

    This is Kelley's ε² (1935, doi 10.1073/pnas.21.9.554): the relative decrease of the variance among points
    that share a value of the key, estimated without bias. Many different numbers are put into at most five
    bins of equal count.
    """
    values = np.array([found.mean for found in ranked])
    shares = {key: _explained(_classes([found.point[key] for found in ranked]), values) for key in keys}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _classes(values: Sequence[Any]) -> np.ndarray:
    distinct = {json.dumps(value): number for number, value in enumerate(values)}
    bins = max(2, min(MAX_BINS, len(values) // 2))
    if len(distinct) <= bins or not all(isinstance(value, int | float) for value in values):
        return np.array([distinct[json.dumps(value)] for value in values])
    numbers = np.asarray(values, float)
    edges = np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, numbers, side="right")


def _explained(classes: np.ndarray, values: np.ndarray) -> float:
    distinct = np.unique(classes)
    free = len(values) - len(distinct)
    if free < 1 or values.var() == 0:
        return 0.0
    within = sum(((values[classes == n] - values[classes == n].mean()) ** 2).sum() for n in distinct)
    return max(0.0, 1 - (within / free) / values.var(ddof=1))
