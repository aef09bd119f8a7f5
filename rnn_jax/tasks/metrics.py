"""Metrics are (sum, count) pairs: added together wherever they meet, and divided once."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike


def merge(parts: Iterable[Mapping[str, tuple[ArrayLike, ArrayLike]]]) -> dict[str, float]:
    """The means over all parts, which are on the host: sums are taken in float64."""
    totals: dict[str, np.ndarray] = {}
    for part in parts:
        for name, pair in part.items():
            totals[name] = totals.get(name, np.zeros(2)) + np.asarray(pair, np.float64)
    return {name: float(total / count) if count else float("nan") for name, (total, count) in totals.items()}
