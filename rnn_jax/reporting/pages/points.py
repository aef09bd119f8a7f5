"""Runs that differ by their seed alone are one point."""

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.pages.collect import LAST
from rnn_jax.reporting.pages.differences import OF_LITTLE_WORTH, SEED
from rnn_jax.reporting.pages.reading import Run


def over_seeds(
    runs: Sequence[Run], own: Sequence[Mapping[str, Any]], objective: Objective
) -> list[list[Run]]:
    """The runs of each point, best point first.

    Args:
        runs: of one subject, or of several.
        own: what each run's config has that not all have.
        objective: by whose mean points are compared.
    """
    found: dict[str, list[Run]] = {}
    for run, settings in zip(runs, own, strict=True):
        told = {k: v for k, v in settings.items() if k != SEED and not k.startswith(OF_LITTLE_WORTH)}
        found.setdefault(json.dumps(told, sort_keys=True), []).append(run)
    return sorted(found.values(), key=lambda point: _place(point, objective))


def _place(point: Sequence[Run], objective: Objective) -> tuple[int, bool, float]:
    """Where a point stands among all: as `reporting.ranking` has it for the points of a sweep."""
    name = objective.metric
    values = [run.figures["validation"][name] for run in point if name in run.figures["validation"]]
    cost = objective.sort_key(statistics.mean(values) if values else None)
    return max(LAST.get(run.status, 0) for run in point), len(values) < len(point), cost
