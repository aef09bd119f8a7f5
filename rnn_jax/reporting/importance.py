"""Which keys of a sweep matter."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn_jax.reporting.ranking import Ranked

MOST_BINS = 5


def importances(ranked: Sequence[Ranked], keys: Sequence[str]) -> dict[str, float]:
    """What share of the points' variance each key explains alone, the largest first.

    It is Kelley's ε² (1935, doi 10.1073/pnas.21.9.554) of the objective on the key: by how much the variance
    is smaller among points that have a value of the key in common, estimated without bias. Numbers of which
    there are many are taken in at most five bins with as many points each.
    """
    values = np.array([found.mean for found in ranked])
    shares = {key: _explained(_classes([found.point[key] for found in ranked]), values) for key in keys}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _classes(values: Sequence[Any]) -> np.ndarray:
    distinct = {json.dumps(value): number for number, value in enumerate(values)}
    bins = max(2, min(MOST_BINS, len(values) // 2))
    if len(distinct) <= bins or not all(isinstance(value, int | float) for value in values):
        return np.array([distinct[json.dumps(value)] for value in values])
    edges = np.quantile(np.asarray(values, float), np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, np.asarray(values, float), side="right")


def _explained(classes: np.ndarray, values: np.ndarray) -> float:
    numbers, free = np.unique(classes), len(values) - len(np.unique(classes))
    if free < 1 or values.var() == 0:
        return 0.0
    within = sum(((values[own] - values[own].mean()) ** 2).sum() for own in (classes == n for n in numbers))
    return max(0.0, 1 - (within / free) / values.var(ddof=1))
