"""Metrics as (sum, count) pairs."""

import math
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as scikit_learn

from rnn_jax.tasks import metrics
from rnn_jax.tasks.classification import count_classes
from rnn_jax.tasks.task import Batch

SCIKIT_LEARN: Any = scikit_learn  # whose types are guessed from its defaults


def test_merged_metrics_are_weighted_by_count() -> None:
    merged = metrics.merge([{"loss": (6.0, 3.0)}, {"loss": (2.0, 1.0)}, {"loss": (0.0, 4.0)}])
    assert merged == {"loss": 1.0}


def test_a_metric_without_examples_is_nan() -> None:
    assert math.isnan(metrics.merge([{"loss": (0.0, 0.0)}])["loss"])


def test_the_confusion_matrix_counts_labels_by_prediction() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    matrix = metrics.confusion_matrix(np.array([0, 1, 2]), probabilities)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("seed", range(20))
def test_class_metrics_are_those_of_scikit_learn(seed: int) -> None:
    """Over ragged batches with padding; of seven classes, some lack labels, predictions or both."""
    random = np.random.default_rng(seed)
    known = random.permutation(7)[: random.integers(1, 7)]
    labels, predictions = random.choice(known, 50), random.integers(random.integers(1, 8), size=50)
    parts = []
    for start in range(0, 50, 16):
        rows = slice(start, start + 16)
        padding = (0, 16 - len(labels[rows]))
        logits = np.eye(7, dtype=np.float32)[np.pad(predictions[rows], padding)]
        weights = np.pad(np.ones(len(labels[rows]), np.float32), padding)
        targets = jnp.asarray(np.pad(labels[rows], padding, constant_values=3))
        batch = Batch(jnp.zeros(()), targets, jnp.asarray(weights))
        parts.append(count_classes(jnp.asarray(logits), batch))
    found = metrics.class_metrics(metrics.merge(parts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a prediction of a class without labels
        expected = SCIKIT_LEARN.balanced_accuracy_score(labels, predictions)
    assert found["balanced_accuracy"] == pytest.approx(expected, abs=1e-15)
    macro = SCIKIT_LEARN.f1_score(labels, predictions, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(macro, abs=1e-15)
    recall = SCIKIT_LEARN.recall_score(
        labels, predictions, labels=range(7), average=None, zero_division=np.nan
    )
    np.testing.assert_array_equal(found["recall"], recall)
    assert set(found) == {"balanced_accuracy", "macro_f1", "recall"}


def test_class_metrics_by_hand() -> None:
    found = metrics.class_metrics({"accuracy": 0.75, "recall": [1.0, 0.0], "precision": [0.75, math.nan]})
    assert found == {"accuracy": 0.75, "balanced_accuracy": 0.5, "macro_f1": 3 / 7, "recall": [1.0, 0.0]}
    assert metrics.class_metrics({"loss": 2.0}) == {"loss": 2.0}


def test_class_metrics_without_examples_are_nan() -> None:
    nothing = {"recall": [math.nan] * 2, "precision": [math.nan] * 2}
    found = metrics.class_metrics(nothing)
    assert math.isnan(found["balanced_accuracy"])
    assert math.isnan(found["macro_f1"])
