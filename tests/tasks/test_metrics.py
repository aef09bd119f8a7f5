"""Metrics as (sum, count) pairs."""

import math

import numpy as np

from rnn_jax.tasks import metrics


def test_merged_metrics_are_weighted_by_count() -> None:
    merged = metrics.merge([{"loss": (6.0, 3.0)}, {"loss": (2.0, 1.0)}, {"loss": (0.0, 4.0)}])
    assert merged == {"loss": 1.0}


def test_a_metric_without_examples_is_nan() -> None:
    assert math.isnan(metrics.merge([{"loss": (0.0, 0.0)}])["loss"])


def test_the_confusion_matrix_counts_labels_by_prediction() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    matrix = metrics.confusion_matrix(np.array([0, 1, 2]), probabilities)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
