"""What the trials of a database amount to, whatever workers died over."""

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from rnn_jax.sweeping.study import trials


def trial(number: int, state: str, *, origin: int | None = None, **notes: Any) -> FrozenTrial:
    """A trial as Optuna has it; `origin`: the one it was put back for."""
    found = optuna.create_trial(
        state=TrialState[state], value=number / 10 if state == "COMPLETE" else None, user_attrs=notes
    )
    found.number = number
    system = {} if origin is None else {trials.FIRST_NUMBER: origin, trials.HISTORY: [origin]}
    found.system_attrs = system
    return found


def numbers(trials: Sequence[FrozenTrial]) -> list[int]:
    return [found.number for found in trials]


def test_a_trial_that_was_put_back_is_known_by_its_first_number() -> None:
    trials = [trial(0, "FAIL"), trial(1, "COMPLETE"), trial(2, "COMPLETE", origin=0, point={"x": 1})]
    assert trials.first_numbers(trials) == [0, 1]
    assert [(found.number, found.value, found.point) for found in trials.finished(trials)] == [
        (0, 0.2, {"x": 1}),
        (1, 0.1, {}),
    ]


def test_a_late_result_is_kept_once() -> None:
    trials = [trial(0, "COMPLETE"), trial(1, "COMPLETE", origin=0)]
    assert [found.value for found in trials.finished(trials)] == [0.0]


def test_fates() -> None:
    trials = [
        trial(0, "COMPLETE"),
        trial(1, "PRUNED"),
        trial(2, "FAIL", reason="diverged"),
        trial(3, "FAIL"),
        trial(4, "RUNNING", started=4),
        trial(5, "FAIL", superfluous=5, reason="inherited"),
    ]
    assert [(found.number, found.status, found.reason) for found in trials.finished(trials)] == [
        (0, "finished", None),
        (1, "pruned", None),
        (2, "failed", "diverged"),
    ]


@pytest.mark.parametrize("state", ["RUNNING", "WAITING", "COMPLETE", "PRUNED"])
def test_of_two_that_were_put_back_for_one_the_earlier_counts(state: str) -> None:
    trials = [trial(0, "FAIL"), trial(1, state, origin=0), trial(2, "RUNNING", origin=0)]
    assert trials.is_superfluous(trials, 2, num_trials=5)
    assert not trials.is_superfluous(trials, 1, num_trials=5)


def test_the_later_one_counts_where_the_earlier_was_given_up() -> None:
    trials = [trial(0, "FAIL"), trial(1, "FAIL", origin=0), trial(2, "RUNNING", origin=0)]
    assert not trials.is_superfluous(trials, 2, num_trials=5)
    ended = [trial(0, "FAIL"), trial(1, "FAIL", origin=0, reason="x"), trial(2, "RUNNING", origin=0)]
    assert trials.is_superfluous(ended, 2, num_trials=5)


def test_more_than_there_are_to_be_are_too_many() -> None:
    trials = [trial(number, "RUNNING") for number in range(4)]
    assert [trials.is_superfluous(trials, number, num_trials=2) for number in range(4)] == [
        False,
        False,
        True,
        True,
    ]
    # One that was given up for that reason leaves its place to others, when there are to be more.
    trials[2] = trial(2, "FAIL", superfluous=2)
    assert trials.first_numbers(trials) == [0, 1, 3]
    # What takes the place of one that was too many inherits what is noted of it, and is too many too.
    assert trials.is_superfluous([*trials, trial(4, "RUNNING", origin=2, superfluous=2)], 4, num_trials=2)


def test_what_workers_died_over_is_lost() -> None:
    begun = trial(0, "RUNNING", started=0)
    unheard = trial(1, "RUNNING")
    inherited = trial(2, "RUNNING", origin=9, started=9)  # begun by the one before it
    put_back, dropped = trial(3, "FAIL"), trial(4, "FAIL")
    waiting = trial(5, "WAITING", origin=3)
    superfluous, failed = trial(6, "FAIL", superfluous=6), trial(7, "FAIL", reason="diverged")
    trials = [begun, unheard, inherited, put_back, dropped, waiting, superfluous, failed]
    assert numbers(trials.lost(trials)) == [1, 2, 4]
