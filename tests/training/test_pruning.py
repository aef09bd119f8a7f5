"""Successive halving: which members are pruned, and how many updates that saves."""

import dataclasses

import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.training.population.pruning import Halving, Rung
from rnn_jax.training.progress import DIVERGED, PRUNED, RUNNING, MemberStatus

LOSS = Objective("loss", "min")


def point(*losses: float) -> list[MemberStatus]:
    """Members of a point, by their best losses."""
    return [MemberStatus(best_step=1, best={"loss": loss}) for loss in losses]


def statuses(members: tuple[MemberStatus, ...]) -> list[str]:
    return [member.status for member in members]


def test_the_points_with_the_worst_means_are_pruned() -> None:
    good, fair, bad = point(0.1, 0.5), point(0.2, 0.6), point(0.05, 1.2)
    found = Halving([Rung(4, 2), Rung(8, 1)], seeds=2).prune([*bad, *good, *fair], 4, LOSS)
    assert statuses(found) == [PRUNED, PRUNED, RUNNING, RUNNING, RUNNING, RUNNING]


def test_a_point_with_a_diverged_member_is_pruned_first() -> None:
    torn, poor = point(0.1, 0.2), point(0.8, 0.9)
    torn[1] = dataclasses.replace(torn[1], status=DIVERGED)
    found = Halving([Rung(4, 1)], seeds=2).prune([*torn, *poor], 4, LOSS)
    assert statuses(found) == [PRUNED, DIVERGED, RUNNING, RUNNING]


def test_equal_accuracies_are_pruned_by_their_losses() -> None:
    objective = Objective("accuracy", "max", ties=(("loss", "min"),))
    members = [
        MemberStatus(best_step=4, best={"accuracy": 1.0, "loss": loss}) for loss in (0.5, 0.3, 0.1, 0.2)
    ]
    found = Halving([Rung(4, 2)], seeds=1).prune(members, 4, objective)
    assert statuses(found) == [PRUNED, PRUNED, RUNNING, RUNNING]


def test_between_rungs_nothing_is_pruned() -> None:
    found = Halving([Rung(4, 1)], seeds=1).prune(point(0.1, 0.2, 0.3), 5, LOSS)
    assert statuses(found) == [RUNNING] * 3


@pytest.mark.parametrize(("step", "running"), [(0, 8), (3, 8), (4, 4), (7, 3), (9, 2), (12, 2)])
def test_updates_left_equal_those_made(step: int, running: int) -> None:
    halving, last_step = Halving([Rung(4, 2), Rung(8, 1)], seeds=2), 12
    made, training = 0, running
    for update in range(step + 1, last_step + 1):
        made += training
        kept = [rung.keep * 2 for rung in halving.rungs if rung.step == update]
        training = min([training, *kept])
    assert halving.updates_left(last_step, running, step) == made
