"""Which keys of a sweep matter: those that decide, and not those of which there are merely many values."""

import statistics

import numpy as np
import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.importance import importances
from rnn_jax.reporting.ranking import Ranked, points


def ranked(columns: dict[str, list[float]], values: list[float]) -> list[Ranked]:
    rows = [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]
    return [Ranked(point, [], [value], 0) for point, value in zip(rows, values, strict=True)]


def test_the_key_that_decides_comes_first() -> None:
    rates = [1e-3, 1e-2, 1e-1] * 4
    clips = [1.0] * 6 + [2.0] * 6
    found = importances(
        ranked({"clip": clips, "rate": rates}, [10 * rate for rate in rates]), ["clip", "rate"]
    )
    assert list(found) == ["rate", "clip"]
    assert found["rate"] == pytest.approx(1)
    assert found["clip"] == 0


def test_a_key_that_does_nothing_explains_nothing_however_many_values_it_has() -> None:
    """A plain share of the variance would say a third, for five bins of twelve points."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        columns = {"clip": list(rng.uniform(0, 1, 12)), "rate": list(rng.uniform(0, 1, 12))}
        shares += importances(ranked(columns, list(rng.normal(size=12))), list(columns)).values()
    assert statistics.median(shares) < 0.05
    assert statistics.mean(shares) < 0.2


def test_points_without_all_their_figures_come_last() -> None:
    def row(value: float, best: float | None, status: str = "finished") -> dict:
        figures = None if best is None else {"accuracy": best}
        return {"point": {"rate": value}, "best": figures, "status": status}

    rows = [row(1, 0.9), row(1, None), row(2, 0.5), row(2, 0.6), row(3, 0.99), row(3, 0.99, "diverged")]
    assert [found.point["rate"] for found in points(rows, Objective.of("accuracy", "max"))] == [2, 3, 1]
    losses = [row(1, 0.9), row(2, 0.5)]
    assert [found.point["rate"] for found in points(losses, Objective.of("accuracy", "min"))] == [2, 1]
