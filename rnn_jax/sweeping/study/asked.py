"""A trial that a worker is asked to bring to its end, and what may come of it besides a result."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rnn_jax.sweeping.study.reaching import patiently
from rnn_jax.sweeping.study.spaces import Point

if TYPE_CHECKING:
    from optuna.trial import Trial


class GivenUpError(Exception):
    """A trial that comes to its end without a result: the message says why."""


class PrunedError(Exception):
    """A trial that falls behind the others, and is given up for that."""


class PutBackError(Exception):
    """A trial that cannot be brought to its end here: somebody is to go on with it."""


class TakenError(Exception):
    """A trial that was taken for a dead worker's, and is somebody else's by now."""


class Asked:
    """A trial that this worker is to bring to its end."""

    def __init__(self, trial: "Trial", number: int, point: Point, reported: set[int]) -> None:
        """`reported`: the evaluations that are known already."""
        self._trial, self._reported = trial, reported
        self.number = number
        """Its origin, by which people know it."""
        self.point = point
        """The values of the keys that are varied."""

    def note(self, name: str, value: Any) -> None:
        """Keeps something about the trial, plain values; raises TakenError where it is somebody else's."""
        with mine():
            patiently(lambda: self._trial.set_user_attr(name, value))

    def report(self, evaluation: int, value: float) -> None:
        """Says what an evaluation, counted from 1, came to.

        Raises:
            PrunedError: the trial is to be given up.
            TakenError: it is somebody else's.
        """
        if evaluation in self._reported:
            return
        self._reported.add(evaluation)
        with mine():
            patiently(lambda: self._trial.report(value, evaluation))
            if patiently(self._trial.should_prune):
                raise PrunedError


@contextmanager
def mine() -> Iterator[None]:
    """Raises TakenError where a trial has come to its end by somebody else's hand."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError as error:
        raise TakenError from error
