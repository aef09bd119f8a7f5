"""Metrics are (sum, count) pairs: added across batches, and divided once."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike


def merge(parts: Iterable[Mapping[str, tuple[ArrayLike, ArrayLike]]]) -> dict[str, float]:
    """Return the means over all parts, which are on the host; sums are taken in float64."""
    totals: dict[str, np.ndarray] = {}
    for part in parts:
        for name, pair in part.items():
            totals[name] = totals.get(name, np.zeros(2)) + np.asarray(pair, np.float64)
    return {name: float(total / count) if count else float("nan") for name, (total, count) in totals.items()}


def confusion_matrix(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Count examples by label (rows) and most probable class (columns): [classes, classes].

    The labels are int [examples], the probabilities [examples, classes].
    """
    classes = probabilities.shape[1]
    pairs = labels * classes + probabilities.argmax(axis=-1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
