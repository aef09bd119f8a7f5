"""A trial that this worker has claimed, and the ways it can end without a result."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial

from rnn_jax.sweeping.study.search_space import Point
from rnn_jax.sweeping.study.storage import retry


class TrialFailedError(Exception):
    """The trial has no result and is not repeated; the message gives the reason."""


class TrialPrunedError(Exception):
    """The study's pruner stopped the trial."""


class TrialRequeuedError(Exception):
    """The trial cannot finish here; another worker resumes it."""


class TrialTakenOverError(Exception):
    """This worker missed its heartbeats, and another worker has taken the trial over."""


class ClaimedTrial:
    """A trial that this worker has claimed."""

    def __init__(self, trial: Trial, number: int, point: Point, reported: set[int]) -> None:
        """Wrap Optuna's trial.

        `number` is that of its first attempt, `point` has the values of the varied keys, and `reported` the
        evaluations that an earlier attempt reported.
        """
        self.number, self.point = number, point
        self._trial, self._reported = trial, reported

    def set_attribute(self, name: str, value: Any) -> None:
        """Store a plain value with the trial; raise TrialTakenOverError if another worker has it."""
        with detect_takeover():
            retry(lambda: self._trial.set_user_attr(name, value))

    def report(self, evaluation: int, value: float) -> None:
        """Report the objective at an evaluation, counted from 1; repeated reports are ignored.

        Raises:
            TrialPrunedError: the pruner stops the trial.
            TrialTakenOverError: another worker has it.
        """
        if evaluation in self._reported:
            return
        self._reported.add(evaluation)
        with detect_takeover():
            retry(lambda: self._trial.report(value, evaluation))
            if retry(self._trial.should_prune):
                raise TrialPrunedError


@contextmanager
def detect_takeover() -> Iterator[None]:
    """Raise TrialTakenOverError where another worker has ended the trial."""
    try:
        yield
    except UpdateFinishedTrialError as error:
        raise TrialTakenOverError from error
