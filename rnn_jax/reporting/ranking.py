"""Ranks the points of a sweep by their mean objective over seeds, and their keys by importance."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.config.objective import Objective

FAILED = ("diverged", "failed")
BEHIND = (*FAILED, "pruned")
"""Statuses ranked behind all others, whatever the best value was."""
MAX_BINS = 5


class RankedPoint(NamedTuple):
    """A point of a sweep and its results."""

    point: dict[str, Any]
    rows: list[Mapping[str, Any]]  # of its members, by seed
    values: list[float]  # the best objective of each member that has one

    @property
    def has_result(self) -> bool:
        """Whether any member has a value and neither diverged nor failed."""
        return any(row["best"] is not None and row["status"] not in FAILED for row in self.rows)

    @property
    def mean(self) -> float:
        """The mean objective; NaN if no member has one."""
        return statistics.mean(self.values) if self.values else math.nan


def rank_points(rows: Sequence[Mapping[str, Any]], objective: Objective) -> list[RankedPoint]:
    """The points of a sweep's results.jsonl, best first.

    Points with a member that diverged, failed, was pruned, or has no value are behind all others.
    """
    points: dict[str, RankedPoint] = {}
    for row in rows:
        found = points.setdefault(json.dumps(row["point"], sort_keys=True), RankedPoint(row["point"], [], []))
        found.rows.append(row)
        if row["best"] is not None and (value := row["best"][objective.metric]) is not None:
            found.values.append(value)

    def key(found: RankedPoint) -> tuple[bool, float]:
        is_complete = len(found.values) == len(found.rows)
        is_behind = any(row["status"] in BEHIND for row in found.rows)
        return is_behind or not is_complete, objective.sort_key(found.mean)

    return sorted(points.values(), key=key)


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
    edges = np.quantile(np.asarray(values, float), np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, np.asarray(values, float), side="right")


def _explained(classes: np.ndarray, values: np.ndarray) -> float:
    distinct = np.unique(classes)
    free = len(values) - len(distinct)
    if free < 1 or values.var() == 0:
        return 0.0
    within = sum(((values[classes == n] - values[classes == n].mean()) ** 2).sum() for n in distinct)
    return max(0.0, 1 - (within / free) / values.var(ddof=1))
