"""Metrics are (sum, count) pairs: added across batches, and divided once.

A classifier is evaluated by pairs of arrays [classes], too: `recall` has the correct predictions and the
examples of each class, `precision` the correct and all predictions. `class_metrics` derives from them what a
constant prediction cannot do well in, however frequent its class is:

    labels 0 0 0 1, predictions 0 0 0 0: accuracy 3/4, recall [1, 0], balanced accuracy 1/2, macro F1 3/7
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

CLASS_METRICS = ("balanced_accuracy", "macro_f1")
"""The metrics that `class_metrics` derives, beside `recall`."""


def merge(parts: Iterable[Mapping[str, tuple[ArrayLike, ArrayLike]]]) -> dict[str, Any]:
    """Return the means over all parts, which are on the host; sums are taken in float64.

    A pair of arrays has a list of means. Of nothing, the mean is NaN.
    """
    totals: dict[str, Any] = {}
    for part in parts:
        for name, pair in part.items():
            totals[name] = totals.get(name, 0) + np.asarray(pair, np.float64)
    return {
        name: (total / np.where(count, count, np.nan)).tolist() for name, (total, count) in totals.items()
    }


def class_metrics(found: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the `precision` of each class by `balanced_accuracy` and `macro_f1`; `recall` stays, a list.

    Balanced accuracy is the mean recall of the classes that have examples, macro F1 the mean of F1 = 2 · true
    positives / (examples + predictions) over the classes that have an example or a prediction: as
    `balanced_accuracy_score` and `f1_score(average="macro")` of scikit-learn, where a class without examples
    or predictions has F1 = 0. Metrics without `recall`, those of training, stay as they are.
    """
    if "recall" not in found:
        return dict(found)
    recall, precision = np.array(found["recall"]), np.array(found["precision"])
    occurs = ~(np.isnan(recall) & np.isnan(precision))
    product, total = np.nan_to_num(recall * precision), np.nan_to_num(recall) + np.nan_to_num(precision)
    scores = 2 * product / np.where(total > 0, total, 1)
    means = (recall[~np.isnan(recall)], scores[occurs])
    derived = {
        name: float(each.mean()) if each.size else float("nan")
        for name, each in zip(CLASS_METRICS, means, strict=True)
    }
    others = {name: value for name, value in found.items() if name not in ("recall", "precision")}
    return {**others, **derived, "recall": found["recall"]}


def confusion_matrix(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Count examples by label (rows) and most probable class (columns): [classes, classes].

    The labels are int [examples], the probabilities [examples, classes].
    """
    classes = probabilities.shape[1]
    pairs = labels * classes + probabilities.argmax(axis=-1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
