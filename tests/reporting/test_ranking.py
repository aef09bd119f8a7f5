"""Ranking of points, and importance of keys."""

import statistics
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.reporting import sweep_report
from rnn_jax.reporting.sweep_report import RankedPoint, importances, rank_points, winners


def row(rate: float, accuracy: float | None, status: str = "finished") -> dict[str, Any]:
    best = None if accuracy is None else {"step": 1, "accuracy": accuracy}
    return {"point": {"rate": rate}, "status": status, "best": best}


def order(rows: list[dict[str, Any]], direction: Literal["max", "min"] = "max") -> list[float]:
    return [found.point["rate"] for found in rank_points(rows, Objective("accuracy", direction))]


def test_the_best_mean_comes_first() -> None:
    rows = [row(1, 0.5), row(1, 0.9), row(2, 0.8), row(2, 0.8)]
    assert order(rows) == [2, 1]
    assert order(rows, "min") == [1, 2]


def test_equal_accuracies_are_ranked_by_the_mean_loss_and_then_by_the_later_step() -> None:
    found = [(1, 0.5, 3), (2, 0.1, 3), (3, 0.3, 3), (4, 0.3, 6), (1, 0.2, 3), (2, 0.1, 3)]
    rows = [row(rate, 1.0) for rate, _, _ in found]
    for each, (_, loss, step) in zip(rows, found, strict=True):
        each["best"] |= {"loss": loss, "step": step}
    objective = Objective("accuracy", "max", ties=(("loss", "min"),))
    assert [point.point["rate"] for point in rank_points(rows, objective)] == [2, 4, 3, 1]


@pytest.mark.parametrize("status", ["diverged", "failed", "pruned"])
def test_points_with_unfinished_members_are_behind_all_others(status: str) -> None:
    assert order([row(1, 0.9, status), row(2, 0.1), row(3, None, "finished")]) == [2, 1, 3]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["diverged", "failed"], False),
        (["diverged", "finished"], True),
        (["pruned"], True),
        (["running"], True),
    ],
)
def test_diverged_and_failed_members_have_no_result(statuses: list[str], expected: bool) -> None:
    (found,) = rank_points([row(1, 0.9, status) for status in statuses], Objective("accuracy", "max"))
    assert found.has_result is expected
    (found,) = rank_points([row(1, None, status) for status in statuses], Objective("accuracy", "max"))
    assert found.has_result is False


def ranked(columns: dict[str, list[float]], values: list[float]) -> list[RankedPoint]:
    rows = [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]
    return [RankedPoint(point, [], [value]) for point, value in zip(rows, values, strict=True)]


def test_the_key_that_explains_most_comes_first() -> None:
    rates = [1e-3, 1e-2, 1e-1] * 4
    clips = [1.0] * 6 + [2.0] * 6
    found = importances(
        ranked({"clip": clips, "rate": rates}, [10 * rate for rate in rates]), ["clip", "rate"]
    )
    assert list(found) == ["rate", "clip"]
    assert found["rate"] == pytest.approx(1)
    assert found["clip"] == 0


def test_a_random_key_explains_nothing() -> None:
    """The plain share of the variance would be a third, for five bins of twelve points."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        columns = {"clip": list(rng.uniform(0, 1, 12)), "rate": list(rng.uniform(0, 1, 12))}
        shares += importances(ranked(columns, list(rng.normal(size=12))), list(columns)).values()
    assert statistics.median(shares) < 0.05
    assert statistics.mean(shares) < 0.2


def test_points_with_missing_values_are_behind_all_others() -> None:
    rows = [row(1, 0.9), row(1, None), row(2, 0.5), row(2, 0.6), row(3, 0.99), row(3, 0.99, "diverged")]
    assert order(rows) == [2, 3, 1]


def test_a_point_that_a_study_tried_twice_has_its_seeds_once() -> None:
    twice = [row(1, 0.5) | {"seed": seed} for seed in (0, 1, 0, 1)] + [row(2, 0.4) | {"seed": 0}]
    first, second = rank_points(twice, Objective("accuracy", "max"))
    assert (first.values, first.repeated) == ([0.5, 0.5], 2)
    assert (second.values, second.repeated) == ([0.4], 0)


def on(version: str, rate: float, accuracy: float) -> dict[str, Any]:
    data = {"name": "sequences", "version": version, "validation": 10, "test": 10}
    found = {"member": 0, "seed": 0, "test": None, "step": 9, "reason": None, "dataset": data}
    return {**row(rate, accuracy), **found, "point": {"dataset.file": f"{version}.npz", "rate": rate}}


def test_every_data_set_of_a_sweep_has_a_winner(tmp_path: Path) -> None:
    rows = [on("a", 1, 0.9), on("a", 2, 0.95), on("b", 1, 0.6), on("b", 2, 0.5)]
    ranked = rank_points(rows, Objective("accuracy", "max"))
    assert [found.point["rate"] for found in ranked] == [2, 1, 1, 2]
    assert [found.values for found in winners(ranked)] == [[0.95], [0.6]]
    text = sweep_report.write(tmp_path, rows, Objective("accuracy", "max"), str).read_text()
    for version, rate, accuracy in (("a", 2, 95), ("b", 1, 60)):
        who = (
            f"on sequences {version} (10 validation, 10 test):** dataset.file = {version}.npz, rate = {rate}"
        )
        assert f"**Best by validation {who}: accuracy {accuracy}.00 %." in text
    assert "explains" not in text


def test_a_point_with_a_result_wins_over_a_diverged_one() -> None:
    ranked = rank_points([row(1, 0.9, "diverged"), row(2, 0.5, "pruned")], Objective("accuracy", "max"))
    assert [found.point["rate"] for found in winners(ranked)] == [2]
