"""Metrics and durations as text."""

import numpy as np
import pytest

from rnn_jax.reporting import formatting


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.99074, "99.07 %"),
        ("batch_accuracy", 1.0, "100.00 %"),
        ("perplexity", 115.906, "115.91"),
        ("loss", 0.04321, "0.0432"),
        ("loss", 0.0, "0.0000"),
        ("loss", 0.00012, "1.20e-04"),
        ("loss", float("nan"), "nan"),
        ("accuracy", None, "nan"),
        ("loss", float("inf"), "inf"),
    ],
)
def test_a_metric_is_formatted_by_its_name(name: str, value: float | None, text: str) -> None:
    assert formatting.format_metric(name, value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599, "59:59"), (3661, "1:01:01"), (float("inf"), "?")],
)
def test_seconds_become_minutes_and_hours(seconds: float, text: str) -> None:
    assert formatting.format_seconds(seconds) == text


def test_a_rate_has_at_least_three_digits() -> None:
    assert formatting.format_rate(64.123, "steps") == "64.1 steps/s"
    assert formatting.format_rate(8204.4, "examples") == "8,204 examples/s"


def test_a_confusion_matrix_is_aligned_with_dots_for_zeros() -> None:
    matrix = np.array([[36, 0, 1], [0, 1035, 0], [2, 0, 7]])
    assert formatting.confusion_lines(matrix, ["0", "1", "ten"]) == [
        "       predicted",
        "label     0     1   ten   recall",
        "    0    36     .     1   97.3 %",
        "    1     .  1035     .  100.0 %",
        "  ten     2     .     7   77.8 %",
    ]


def test_a_spread_is_mean_and_sample_standard_deviation() -> None:
    assert formatting.format_spread("accuracy", [0.91, 0.92, 0.93]) == "92.00 ± 1.00 %"
    assert formatting.format_spread("loss", [1.0, 2.0]) == "1.5000 ± 0.7071"
    assert formatting.format_spread("loss", [1.2e-4, 1.4e-4]) == "1.30e-04 ± 1.41e-05"
    assert formatting.format_spread("perplexity", [80.0]) == "80.00"
    assert formatting.format_spread("loss", []) == "–"
