"""Which points are best."""

from typing import Any, Literal

import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.reporting import ranking


def row(rate: float, accuracy: float | None, status: str = "finished") -> dict[str, Any]:
    best = None if accuracy is None else {"step": 1, "accuracy": accuracy}
    return {"point": {"rate": rate}, "status": status, "best": best}


def order(rows: list[dict[str, Any]], direction: Literal["max", "min"] = "max") -> list[float]:
    return [found.point["rate"] for found in ranking.points(rows, Objective.of("accuracy", direction))]


def test_the_best_mean_comes_first() -> None:
    rows = [row(1, 0.5), row(1, 0.9), row(2, 0.8), row(2, 0.8)]
    assert order(rows) == [2, 1]
    assert order(rows, "min") == [1, 2]


@pytest.mark.parametrize("status", ["diverged", "failed", "pruned"])
def test_who_did_not_come_to_an_end_comes_after_all_who_did(status: str) -> None:
    assert order([row(1, 0.9, status), row(2, 0.1), row(3, None, "finished")]) == [2, 1, 3]


@pytest.mark.parametrize(
    ("fates", "expected"),
    [
        (["diverged", "failed"], False),
        (["diverged", "finished"], True),
        (["pruned"], True),
        (["running"], True),
    ],
)
def test_what_diverged_came_to_nothing(fates: list[str], expected: bool) -> None:
    (found,) = ranking.points([row(1, 0.9, status) for status in fates], Objective.of("accuracy", "max"))
    assert found.has_result is expected
    (found,) = ranking.points([row(1, None, status) for status in fates], Objective.of("accuracy", "max"))
    assert found.has_result is False
