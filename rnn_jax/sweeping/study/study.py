"""A study: the trials of a sweep, which any number of workers take one after another.

Optuna draws, prunes, keeps, and notices a worker that dies by its heartbeats; its trial is put back, to be
tried again from its checkpoint. That each trial then comes to its end just once is seen to here, by what
`standing.py` makes of the trials.
"""

import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.study import spaces, standing
from rnn_jax.sweeping.study.spaces import Point
from rnn_jax.sweeping.study.standing import Ended
from rnn_jax.sweeping.study.storage import MISSED_BEATS, StudyStorageError

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.trial import FrozenTrial, Trial


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
        with _mine():
            self._trial.set_user_attr(name, value)

    def check(self) -> None:
        """Raises TakenError where the trial is somebody else's."""
        if self._trial.storage.get_trial(self._trial._trial_id).state.is_finished():
            raise TakenError

    def report(self, evaluation: int, value: float) -> None:
        """Says what an evaluation, counted from 1, came to.

        Raises:
            PrunedError: the trial is to be given up.
            TakenError: it is somebody else's.
        """
        if evaluation in self._reported:
            return
        self._reported.add(evaluation)
        with _mine():
            self._trial.report(value, evaluation)
            if self._trial.should_prune():
                raise PrunedError


class Study:
    """The trials of a sweep, as one worker sees them."""

    def __init__(
        self, study: "OptunaStudy", sweep: Sweep, points: list[Point], heartbeat_seconds: int
    ) -> None:
        """`points`: of a grid, all of them; of ranges, none."""
        self._study, self._sweep, self._points = study, sweep, points
        self._patience = MISSED_BEATS * heartbeat_seconds
        self._first_seen: dict[tuple[int, str], float] = {}
        number = len(points) if points else sweep.draws
        assert number is not None
        self.number: int = number
        """How many trials there are to be."""

    def next(self, run: Callable[[Asked], float]) -> bool:
        """Begins a trial, if there is one to begin, and brings it to its end; whether there was one.

        Args:
            run: trains a trial, and returns its objective, or raises an error of this module.

        Raises:
            StudyStorageError: the database cannot be reached any more.
        """
        with _reached():
            self._put_back_lost_ones()
            trials = self._trials()
            if not standing.is_waiting(trials) and len(standing.origins(trials)) >= self.number:
                return False
            mine: list[int] = []

            def objective(trial: "Trial") -> float:
                mine.append(trial.number)
                return self._run(trial, run)

            try:
                ignored = (GivenUpError, PutBackError, TakenError)
                self._study.optimize(objective, n_trials=1, catch=ignored, callbacks=[self._put_back_ours])
            except (ValueError, AssertionError):
                # So Optuna refuses the result of a trial that was taken in the meantime: it counts once.
                if not mine or not self._trials()[mine[0]].state.is_finished():
                    raise
            return True

    def ended(self) -> list[Ended]:
        """The trials that have come to their end, by number.

        Raises:
            StudyStorageError: the database cannot be reached any more.
        """
        with _reached():
            return standing.ended(self._trials())

    def is_finished(self) -> bool:
        """Whether all trials have come to their end; raises as `ended`."""
        return len(self.ended()) >= self.number

    def _run(self, trial: "Trial", run: Callable[[Asked], float]) -> float:
        """Optuna's objective."""
        import optuna

        with _mine():
            trials = self._trials()
            if standing.is_one_too_many(trials, trial.number, self.number):
                trial.set_user_attr(standing.SUPERFLUOUS, trial.number)
                raise TakenError
            trial.set_user_attr(standing.WORKER, [socket.gethostname(), os.getpid()])
            trial.set_user_attr(standing.BEGUN, trial.number)
            stored = trials[trial.number]
            number = standing.origin(stored)
            point = self._point(trial, number)
            trial.set_user_attr(standing.POINT, point)
        asked = Asked(trial, number, point, set(stored.intermediate_values))
        try:
            value = run(asked)
            asked.check()
            return value
        except PrunedError as error:
            raise optuna.TrialPruned from error
        except GivenUpError as error:
            asked.note(standing.REASON, str(error))
            raise

    def _point(self, trial: "Trial", number: int) -> Point:
        if self._points:
            return self._points[standing.origins(self._trials()).index(number)]
        # Anew for each trial: what is drawn depends on what is known by then, and not on who draws it.
        self._study.sampler = _sampler(self._sweep, number)
        return spaces.suggest(trial, self._sweep.ranges)

    def _put_back_lost_ones(self) -> None:
        """Puts back what a worker died over: by Optuna where heartbeats tell, else what stays lost."""
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self._study)
        now, seen = time.monotonic(), {}
        for trial in standing.lost(self._trials()):
            place = (trial.number, trial.state.name)
            seen[place] = self._first_seen.get(place, now)
            if now - seen[place] > self._patience and (trial.state.is_finished() or self._fail(trial)):
                self._put_back(trial)
        self._first_seen = seen

    def _put_back_ours(self, study: "OptunaStudy", trial: "FrozenTrial") -> None:
        """Called by Optuna when this worker is done with a trial."""
        if trial.number in {dropped.number for dropped in standing.lost(self._trials())}:
            self._put_back(trial)

    def _fail(self, trial: "FrozenTrial") -> bool:
        """Gives a trial up; False where another worker did."""
        import optuna

        try:
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            return False
        return True

    def _put_back(self, trial: "FrozenTrial") -> None:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(
                self._study, trial
            )

    def _trials(self) -> "list[FrozenTrial]":
        """All trials, by number."""
        return self._study.get_trials(deepcopy=False)


def _sampler(sweep: Sweep, number: int) -> Any:
    from optuna import samplers

    seed = (sweep.draw_seed * 1_000_003 + number) % 2**32
    if sweep.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    # Each key by itself (not `multivariate`, which draws before the trial's number is known). Points that
    # others are at work on count as bad ones: else all workers would draw the same.
    return samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True)


@contextmanager
def _mine() -> Iterator[None]:
    """Raises TakenError where a trial has come to its end by somebody else's hand."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError as error:
        raise TakenError from error


@contextmanager
def _reached() -> Iterator[None]:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (StorageInternalError, DBAPIError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error.__cause__ or error).split())[:200]
        raise StudyStorageError(f"the study's database cannot be reached any more ({reason})") from error
