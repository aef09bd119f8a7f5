"""What becomes of members: the best by brute force, who is given up, and how many updates that saves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_jax.config.objective import Objective
from rnn_jax.training.population import status
from rnn_jax.training.population.status import Fate, Halving, Rung

HIGH, LOW = Objective.of("accuracy", "max"), Objective.of("loss", "min")


@given(st.lists(st.sampled_from([0.0, 0.5, 0.5, 1.0, math.nan, -math.inf]), min_size=1))
def test_the_best_is_the_first_of_the_best(values: list[float]) -> None:
    """Ties keep the earlier one, NaN is never the best, nor is the worst that there can be."""
    fate = Fate()
    for step, value in enumerate(values):
        fate.evaluated(step, {"accuracy": value}, HIGH)
    known = [value for value in values if math.isfinite(value)]
    expected = values.index(max(known)) if known else None
    assert fate.best_step == expected
    since = len(values) if expected is None else len(values) - 1 - expected
    assert fate.evaluations_since_best == since


def point(*losses: float) -> list[Fate]:
    """Members of a point, by their best losses."""
    return [Fate(best_step=1, best={"loss": loss}) for loss in losses]


def test_the_points_with_the_worst_means_are_given_up() -> None:
    good, fair, bad = point(0.1, 0.5), point(0.2, 0.6), point(0.3, 0.9)
    Halving([Rung(4, 2), Rung(8, 1)], seeds=2).give_up([*bad, *good, *fair], 4, LOW)
    assert {fate.status for fate in (*good, *fair)} == {status.RUNNING}
    assert {fate.status for fate in bad} == {status.GIVEN_UP}


def test_a_point_of_which_a_member_diverged_goes_first() -> None:
    torn, poor = point(0.1, 0.2), point(0.8, 0.9)
    torn[1].status = status.DIVERGED
    Halving([Rung(4, 1)], seeds=2).give_up([*torn, *poor], 4, LOW)
    assert [fate.status for fate in torn] == [status.GIVEN_UP, status.DIVERGED]
    assert {fate.status for fate in poor} == {status.RUNNING}


def test_between_rungs_nobody_is_given_up() -> None:
    members = point(0.1, 0.2, 0.3)
    Halving([Rung(4, 1)], seeds=1).give_up(members, 5, LOW)
    assert {fate.status for fate in members} == {status.RUNNING}


@pytest.mark.parametrize(("step", "running"), [(0, 8), (3, 8), (4, 4), (7, 3), (9, 2), (12, 2)])
def test_updates_left_are_counted_as_they_will_be_made(step: int, running: int) -> None:
    halving, last_step = Halving([Rung(4, 2), Rung(8, 1)], seeds=2), 12
    made, going_on = 0, running
    for update in range(step + 1, last_step + 1):
        made += going_on
        kept = [rung.keep * 2 for rung in halving.rungs if rung.step == update]
        going_on = min([going_on, *kept])
    assert halving.updates_left(last_step, running, step) == made
