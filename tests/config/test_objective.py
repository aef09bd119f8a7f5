"""The objective: what is better, and its JSON form."""

import itertools
import json
import math
from typing import Any

import pytest

from rnn_jax.config.objective import Objective

F1, LOSS = Objective("f1", "max"), Objective("loss", "min")
ACCURACY = Objective("accuracy", "max", ties=(("loss", "min"),))
MISSING = (None, math.nan, math.inf, -math.inf)


def prefers(new: dict[str, Any] | None, old: dict[str, Any] | None) -> bool:
    """Whether new is to be preferred by accuracy, then by loss, then by the later step; case by case."""
    if new is None or new["accuracy"] in MISSING or math.isnan(new["accuracy"]):
        return False
    if old is None or old["accuracy"] in MISSING or math.isnan(old["accuracy"]):
        return True
    if new["accuracy"] != old["accuracy"]:
        return new["accuracy"] > old["accuracy"]
    losses = [math.inf if found["loss"] is None else found["loss"] for found in (new, old)]
    if losses[0] != losses[1]:
        return losses[0] < losses[1]
    return new["step"] > old["step"]


def test_an_accuracy_that_ties_is_decided_by_the_loss_and_then_by_the_later_step() -> None:
    values = itertools.product((0.5, 1.0, None, math.nan), (0.1, 0.2, None), (4, 8))
    found = [
        None,
        *({"accuracy": accuracy, "loss": loss, "step": step} for accuracy, loss, step in values),
    ]
    for new, old in itertools.product(found, repeat=2):
        assert ACCURACY.is_better(new, old) is prefers(new, old), (new, old)
        at_one_step = [None if each is None else {**each, "step": 1} for each in (new, old)]
        assert ACCURACY.improves(new, old) is prefers(*at_one_step), (new, old)


@pytest.mark.parametrize(
    ("objective", "new", "old", "better"),
    [
        (F1, 0.9, 0.8, True),
        (F1, 0.8, 0.9, False),
        (LOSS, 0.8, 0.9, True),
        (LOSS, 0.9, 0.8, False),
    ],
)
def test_the_direction_decides_which_value_is_better(
    objective: Objective, new: float, old: float, better: bool
) -> None:
    first, second = {objective.metric: new}, {objective.metric: old}
    assert objective.is_better(first, second) is better
    assert objective.improves(first, second) is better
    assert objective.is_better(first, None)
    found = objective.best([first, second, None, {objective.metric: math.nan}, {}])
    assert found == (first if better else second)


@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_values_that_are_not_finite_are_never_better(objective: Objective) -> None:
    finite = {"accuracy": 0.5, "loss": 0.5}
    for value in MISSING:
        found = {**finite, objective.metric: value}
        assert not objective.is_better(found, None)
        assert not objective.is_better(found, finite)
        assert not objective.improves(found, found)
        assert objective.is_better(finite, found)
        assert objective.best([found]) is None
    assert objective.best([]) is None


def test_the_mean_over_seeds_is_compared_as_the_metrics_of_one() -> None:
    found = ACCURACY.mean(
        [{"accuracy": 1.0, "loss": 0.1, "step": 4}, {"accuracy": 0.5, "loss": 0.3, "step": 8}]
    )
    assert found == {"accuracy": 0.75, "loss": pytest.approx(0.2), "step": 6}
    assert ACCURACY.is_better(found, {"accuracy": 0.75, "loss": 0.3, "step": 9})
    for absent in ({"loss": 0.1, "step": 4}, {"accuracy": math.nan, "loss": 0.1, "step": 4}, None):
        assert ACCURACY.best([ACCURACY.mean([{"accuracy": 1.0, "loss": 0.1, "step": 4}, absent])]) is None
    assert ACCURACY.best([ACCURACY.mean([])]) is None


def test_an_objective_survives_json() -> None:
    assert F1.to_json() == [{"metric": "f1", "direction": "max"}]
    for objective in (LOSS, ACCURACY):
        assert Objective.from_json(json.loads(json.dumps(objective.to_json()))) == objective


@pytest.mark.parametrize(
    "content",
    [
        None,
        "loss",
        [],
        ["loss"],
        [{"metric": "loss"}],
        [{"metric": "loss", "direction": "up"}],
        [{"metric": "loss", "direction": ["min"]}],
        [{"metric": 3, "direction": "min"}],
        [{"metric": "loss", "direction": "min"}, {"metric": "accuracy"}],
        [{"metric": "loss", "direction": "min"}, {"metric": "accuracy", "direction": "up"}],
    ],
)
def test_malformed_json_raises_value_error(content: Any) -> None:
    with pytest.raises(ValueError, match="metric"):
        Objective.from_json(content)
