"""A study: the trials of a sweep, which any number of workers take one after another.

Optuna draws, prunes, keeps, and notices a worker that dies by its heartbeats; its trial is put back, to be
tried again from its checkpoint. That each trial then comes to its end just once is seen to here, by what
`standing.py` makes of the trials.
"""

import copy
import os
import socket
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.study import spaces, standing
from rnn_jax.sweeping.study.asked import Asked, GivenUpError, PrunedError, PutBackError, TakenError, mine
from rnn_jax.sweeping.study.reaching import is_of_database, patiently, reached
from rnn_jax.sweeping.study.spaces import Point
from rnn_jax.sweeping.study.standing import Ended
from rnn_jax.sweeping.study.storage import MISSED_BEATS

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.trial import FrozenTrial, Trial


MOST_DEATHS = 10
"""A trial of which so many workers died is given up: most likely it kills them."""
TOKEN = "folder"
"""Under which a study keeps what tells its folder apart: see `SweepFolder.token`."""
COUNT = "trials"
"""How many trials there are to be, the most that anybody asked for."""


class Study:
    """The trials of a sweep, as one worker sees them."""

    def __init__(
        self,
        study: "OptunaStudy",
        sweep: Sweep,
        points: list[Point],
        heartbeat_seconds: int,
        begun_by: str | None = None,
    ) -> None:
        """`points`: of a grid, all of them; of ranges, none. For what else see `opening.open_study`."""
        self.begun_by = begun_by
        """The commit that began the study, if it is another one than this."""
        self._study, self._sweep, self._points = study, sweep, points
        self._patience = MISSED_BEATS * heartbeat_seconds
        self._first_seen: dict[tuple[int, str], float] = {}
        self._stops: UserError | None = None
        number = len(points) if points else sweep.num_trials
        assert number is not None
        self._own_number = number

    @property
    def number(self) -> int:
        """How many trials there are to be: what this worker was told, or another one, if that is more."""
        stored = patiently(lambda: self._study.user_attrs.get(COUNT, 0))
        if stored < self._own_number:
            patiently(lambda: self._study.set_user_attr(COUNT, self._own_number))
        return max(stored, self._own_number)

    def share(self, token: str, folder: str) -> None:
        """Sees to it that all workers have the same folder.

        Args:
            token: what tells it apart.
            folder: its path, named where it is another one.

        Raises:
            UserError: it is not the one that the study's first worker had.
            StudyStorageError: the database cannot be reached any more.
        """
        with reached():
            if TOKEN not in patiently(lambda: self._study.user_attrs):
                patiently(lambda: self._study.set_user_attr(TOKEN, token))
            if patiently(lambda: self._study.user_attrs)[TOKEN] != token:
                raise UserError(
                    f"{folder}: not the folder that study {self._study.study_name} has\n"
                    "All its workers need that one, on every machine (--workdir); or give another --study."
                )

    def next(self, run: Callable[[Asked], float]) -> bool:
        """Begins a trial, if there is one to begin, and brings it to its end; whether there was one.

        Args:
            run: trains a trial, and returns its objective; or raises an error of `asked.py`, or a UserError
                where no trial can be trained here. With anything else, a bug, the trial has come to its end.

        Raises:
            UserError: what `run` raised; the trial is put back.
            StudyStorageError: the database cannot be reached any more.
        """
        with reached():
            self._put_back_lost_ones()
            trials = self._trials()
            if not standing.is_waiting(trials) and len(standing.origins(trials)) >= self.number:
                return False
            self._optimize(run)
            stops, self._stops = self._stops, None
            if stops is not None:
                raise stops
            return True

    def _optimize(self, run: Callable[[Asked], float]) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        taken: list[int] = []
        own: list[Exception] = []

        def objective(trial: "Trial") -> float:
            taken.append(trial.number)
            try:
                return self._run(trial, run)
            except Exception as error:
                own.append(error)
                raise

        try:
            ignored = (GivenUpError, PutBackError, TakenError)
            self._study.optimize(objective, n_trials=1, catch=ignored, callbacks=[self._put_back_ours])
        except (ValueError, AssertionError, UpdateFinishedTrialError) as error:
            # So Optuna refuses the result of a trial that was taken in the meantime: it counts once.
            if error in own or not taken or not self._trials()[taken[0]].state.is_finished():
                raise

    def ended(self) -> list[Ended]:
        """The trials that have come to their end, by number.

        Raises:
            StudyStorageError: the database cannot be reached any more.
        """
        with reached():
            return standing.ended(self._trials())

    def missing(self) -> int:
        """How many trials have not come to their end; raises as `ended`."""
        with reached():
            trials, number = self._trials(), self.number
        there = standing.origins(trials)[:number]
        return number - len({trial.number for trial in standing.ended(trials)} & set(there))

    def _run(self, trial: "Trial", run: Callable[[Asked], float]) -> float:
        """Optuna's objective."""
        import optuna

        with mine():
            # Before anything is said of it: who says nothing afterwards is missed.
            self._beat(trial._trial_id)
            trials = self._trials()
            if standing.is_one_too_many(trials, trial.number, self.number):
                patiently(lambda: trial.set_user_attr(standing.SUPERFLUOUS, trial.number))
                raise TakenError
            worker = [socket.gethostname(), os.getpid()]
            patiently(lambda: trial.set_user_attr(standing.WORKER, worker))
            patiently(lambda: trial.set_user_attr(standing.BEGUN, trial.number))
            stored = trials[trial.number]
            number = standing.origin(stored)
            point = self._point(trial, number)
            patiently(lambda: trial.set_user_attr(standing.POINT, point))
        asked = Asked(trial, number, point, set(stored.intermediate_values))
        try:
            deaths = standing.deaths(trials, number)
            if deaths >= MOST_DEATHS:
                raise GivenUpError(f"{deaths} workers died of it; most likely memory was not enough")
            return run(asked)
        except UserError as error:
            self._stops = error
            asked.note(standing.PUT_BACK, trial.number)
            raise PutBackError from error
        except PutBackError:
            asked.note(standing.PUT_BACK, trial.number)
            raise
        except PrunedError as error:
            raise optuna.TrialPruned from error
        except GivenUpError as error:
            asked.note(standing.REASON, str(error))
            raise
        except TakenError:
            raise
        except Exception as error:
            if not is_of_database(error):
                # Who tried it again would run into the same.
                asked.note(standing.REASON, f"a bug: {error!r}")
            raise

    def _beat(self, trial_id: int) -> None:
        storage: Any = self._study._storage  # see `storage.connect`
        storage.record_heartbeat(trial_id)

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
            patiently(lambda: optuna.storages.fail_stale_trials(self._study))
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
        from optuna.storages import RetryHeartbeatStaleTrialCallback as again_for

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # A copy: the callback writes into what it is given.
            again_for(inherit_intermediate_values=True)(self._study, copy.deepcopy(trial))

    def _trials(self) -> "list[FrozenTrial]":
        """All trials, by number."""
        return patiently(lambda: self._study.get_trials(deepcopy=False))


def _sampler(sweep: Sweep, number: int) -> Any:
    from optuna import samplers

    seed = (sweep.draw_seed * 1_000_003 + number) % 2**32
    if sweep.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    # Each key by itself (not `multivariate`, which draws before the trial's number is known). Points that
    # others are at work on count as bad ones: else all workers would draw the same.
    return samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True)
