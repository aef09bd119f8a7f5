"""The state of a study's trials, wherever their workers died."""

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from rnn_jax.sweeping.study import trials


def trial(number: int, state: str, *, first: int | None = None, **attributes: Any) -> FrozenTrial:
    """A stored trial; `first`: the trial that it was requeued for."""
    found = optuna.create_trial(
        state=TrialState[state], value=number / 10 if state == "COMPLETE" else None, user_attrs=attributes
    )
    found.number = number
    found.system_attrs = {} if first is None else {trials.FIRST_NUMBER: first, trials.HISTORY: [first]}
    return found


def numbers(stored: Sequence[FrozenTrial]) -> list[int]:
    return [found.number for found in stored]


def test_a_requeued_trial_keeps_its_first_number() -> None:
    stored = [trial(0, "FAIL"), trial(1, "COMPLETE"), trial(2, "COMPLETE", first=0, point={"x": 1})]
    assert trials.first_numbers(stored) == [0, 1]
    assert [(found.number, found.value, found.point) for found in trials.finished(stored)] == [
        (0, 0.2, {"x": 1}),
        (1, 0.1, {}),
    ]


def test_the_earlier_of_two_results_counts() -> None:
    stored = [trial(0, "COMPLETE"), trial(1, "COMPLETE", first=0)]
    assert [found.value for found in trials.finished(stored)] == [0.0]


def test_statuses() -> None:
    stored = [
        trial(0, "COMPLETE"),
        trial(1, "PRUNED"),
        trial(2, "FAIL", reason="diverged"),
        trial(3, "FAIL"),
        trial(4, "RUNNING", started=4),
        trial(5, "FAIL", superfluous=5, reason="inherited"),
        trial(6, "COMPLETE", reason="inherited"),
    ]
    assert [(found.number, found.status, found.reason) for found in trials.finished(stored)] == [
        (0, "finished", None),
        (1, "pruned", None),
        (2, "failed", "diverged"),
        (6, "finished", None),
    ]


@pytest.mark.parametrize("state", ["RUNNING", "WAITING", "COMPLETE", "PRUNED"])
def test_the_later_of_two_requeued_trials_is_superfluous(state: str) -> None:
    stored = [trial(0, "FAIL"), trial(1, state, first=0), trial(2, "RUNNING", first=0)]
    assert trials.is_superfluous(stored, 2, num_trials=5)
    assert not trials.is_superfluous(stored, 1, num_trials=5)


def test_the_later_requeued_trial_counts_if_the_earlier_lost_its_worker() -> None:
    stored = [trial(0, "FAIL"), trial(1, "FAIL", first=0), trial(2, "RUNNING", first=0)]
    assert not trials.is_superfluous(stored, 2, num_trials=5)
    finished = [trial(0, "FAIL"), trial(1, "FAIL", first=0, reason="x"), trial(2, "RUNNING", first=0)]
    assert trials.is_superfluous(finished, 2, num_trials=5)


def test_trials_beyond_the_number_of_trials_are_superfluous() -> None:
    stored = [trial(number, "RUNNING") for number in range(4)]
    superfluous = [trials.is_superfluous(stored, number, num_trials=2) for number in range(4)]
    assert superfluous == [False, False, True, True]
    # A superfluous trial makes room for others, if the number of trials grows.
    stored[2] = trial(2, "FAIL", superfluous=2)
    assert trials.first_numbers(stored) == [0, 1, 3]
    # A requeued superfluous trial inherits the attribute, and is superfluous too.
    requeued = trial(4, "RUNNING", first=2, superfluous=2)
    assert trials.is_superfluous([*stored, requeued], 4, num_trials=2)


def test_trials_without_a_worker_are_lost() -> None:
    started, unstarted = trial(0, "RUNNING", started=0), trial(1, "RUNNING")
    inherited = trial(2, "RUNNING", first=9, started=9)  # by the trial that it replaces
    requeued, dropped = trial(3, "FAIL"), trial(4, "FAIL")
    waiting = trial(5, "WAITING", first=3)
    superfluous, failed = trial(6, "FAIL", superfluous=6), trial(7, "FAIL", reason="diverged")
    stored = [started, unstarted, inherited, requeued, dropped, waiting, superfluous, failed]
    assert numbers(trials.lost(stored)) == [1, 2, 4]
