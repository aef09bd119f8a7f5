"""Which points of a sweep are best: by validation, over their seeds."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnn_jax.config.objective import Objective

FAILED = ("diverged", "failed")
BEHIND = (*FAILED, "pruned")
"""Fates with which a point comes after all others, whatever its members came to before."""


class Ranked(NamedTuple):
    """A point, and what came of it."""

    point: dict[str, Any]
    rows: list[Mapping[str, Any]]
    """Of its members, by seed."""
    values: list[float]
    """The objective at each member's best, of those that have one."""
    diverged: int
    """How many of its members diverged."""

    @property
    def has_result(self) -> bool:
        """Whether a member came to something: what diverged or failed did not, whatever it was before."""
        return any(row["best"] is not None and row["status"] not in FAILED for row in self.rows)

    @property
    def mean(self) -> float:
        """Of the objective; NaN where no member has one."""
        return statistics.mean(self.values) if self.values else math.nan


def points(rows: Sequence[Mapping[str, Any]], objective: Objective) -> list[Ranked]:
    """The points, best first; those of which a member is behind, or has no figure, come after all others.

    Args:
        rows: of results.jsonl.
        objective: the validation metric that decides.
    """
    name = objective.metric
    by_point: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_point.setdefault(json.dumps(row["point"], sort_keys=True), []).append(row)
    ranked = []
    for group in by_point.values():
        values = [
            row["best"][name] for row in group if row["best"] is not None and row["best"][name] is not None
        ]
        diverged = sum(row["status"] == "diverged" for row in group)
        ranked.append(Ranked(group[0]["point"], group, values, diverged))

    def place(found: Ranked) -> tuple[bool, float]:
        ends = {row["status"] for row in found.rows}
        lacking = bool(ends & set(BEHIND)) or len(found.values) < len(found.rows)
        return lacking, objective.sort_key(found.mean)

    return sorted(ranked, key=place)


def best_value(rows: Sequence[Mapping[str, Any]], objective: Objective) -> float | None:
    """The best that any member reached; None where none has a figure."""
    return objective.best(row["best"][objective.metric] for row in rows if row["best"] is not None)
