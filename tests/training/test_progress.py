"""What the training loop decides by."""

import dataclasses
import json
import math

import pytest
from pydantic import ValidationError

from rnn_jax.config.objective import Objective
from rnn_jax.training.progress import MemberStatus, Progress

ACCURACY, LOSS = Objective("accuracy", "max"), Objective("loss", "min")


@pytest.mark.parametrize("count", [1, 2])
def test_json_round_trip(count: int) -> None:
    member = MemberStatus(
        best_step=3, best={"loss": 0.1 + 0.2, "perplexity": None}, restores=1, metrics={"loss": 0.1}
    )
    progress = Progress(devices=2, members=(member,) * count, places={"numbers": [0, 1], "active": [2]})
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress


@pytest.mark.parametrize(
    "changes", [{"devices": "1"}, {"evaluated_at": 1.5}, {"places": {"numbers": [0.5]}}, {"more": 1}]
)
def test_other_fields_raise(changes: dict) -> None:
    with pytest.raises(ValidationError):
        Progress.from_json(Progress(devices=1).to_json() | changes)


@pytest.mark.parametrize(
    "changes", [{"best": []}, {"best": {"loss": "low"}}, {"best_step": 1.5}, {"more": 1}]
)
def test_other_fields_of_a_member_raise(changes: dict) -> None:
    fields = json.loads(json.dumps(Progress(devices=1).to_json()))
    fields["members"][0] |= changes
    with pytest.raises(ValidationError):
        Progress.from_json(fields)


def test_the_retention_policy_reads_the_best_step_and_metric_of_a_run() -> None:
    member = MemberStatus(best_step=3, metrics={"loss": 0.5})
    assert Progress(1, (member,)).to_json().items() >= {"best_step": 3, "metrics": {"loss": 0.5}}.items()
    assert "metrics" not in Progress(1, (member, member)).to_json()


def evaluated(values: list[float], objective: Objective) -> MemberStatus:
    member = MemberStatus()
    for step, value in enumerate(values, start=1):
        member = member.evaluated(step, {objective.metric: value}, objective)
    return member


def test_a_tie_keeps_the_later_step_and_is_no_improvement() -> None:
    assert evaluated([0.5, 0.7, 0.7, 0.6], ACCURACY).best_step == 3
    assert evaluated([0.7, 0.5, 0.5, 0.6], LOSS).best_step == 3
    assert evaluated([0.7, 0.5, 0.5, 0.6], LOSS).evaluations_since_best == 2


def test_a_lower_loss_at_the_same_accuracy_is_an_improvement() -> None:
    """100 % of a few examples come early by chance: training goes on for as long as the loss falls."""
    both, found = dataclasses.replace(ACCURACY, ties=(("loss", "min"),)), []
    member = MemberStatus()
    for step, loss in enumerate([0.5, 0.4, 0.45, 0.4, 0.3], start=1):
        member = member.evaluated(step, {"accuracy": 1.0, "loss": loss}, both)
        found.append((member.best_step, member.best["loss"], member.evaluations_since_best))
    assert found == [(1, 0.5, 0), (2, 0.4, 0), (2, 0.4, 1), (4, 0.4, 2), (5, 0.3, 0)]
    worse = member.evaluated(6, {"accuracy": 0.9, "loss": 0.1}, both)
    assert (worse.best_step, worse.evaluations_since_best) == (5, 1)


def test_a_value_that_is_not_finite_is_never_the_best() -> None:
    assert evaluated([math.nan, math.inf], ACCURACY).best_step is None
    assert evaluated([math.nan, 0.1, math.nan], ACCURACY).best_step == 2
    assert evaluated([-math.inf, 0.1], LOSS).best_step == 2
    assert evaluated([0.1, math.nan], LOSS).metrics == {"loss": None}
    assert evaluated([math.nan, math.nan], LOSS).evaluations_since_best == 2
