"""A study: the trials of a sweep, which any number of workers run one after another.

The first worker creates it in a database, all others join it with the same settings.
Optuna samples, prunes, stores, and detects dead workers by their heartbeats; their trials are requeued and
resume from a checkpoint. This module adds, with the rules of `trials.py`, that every trial finishes exactly
once.
"""

import copy
import json
import os
import socket
import time
import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna import pruners
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.command import StudyOptions
from rnn_jax.sweeping.definition import Pruner, Sweep
from rnn_jax.sweeping.folder import differences
from rnn_jax.sweeping.study import search_space, storage, trials
from rnn_jax.sweeping.study.search_space import Point
from rnn_jax.sweeping.study.storage import MISSED_HEARTBEATS, retry, translate_storage_errors
from rnn_jax.sweeping.study.trials import ClaimedTrial, FinishedTrial

TrainTrial = Callable[[ClaimedTrial], float]

MAX_DEATHS = 10  # a trial during which this many workers died fails: most likely it kills them
# User attributes of a study: `SweepFolder.token`, and the largest number of trials any worker asked for.
FOLDER_TOKEN, NUM_TRIALS = "folder", "num_trials"
SETTINGS = "settings"  # user attribute of a study: what its creator recorded
FORMAT = 2  # of the stored values; in 1, which has no number, numbers are not rounded and choices are JSON
SETTINGS_TIMEOUT_SECONDS = 10  # a creator that has not by then has died, and the next worker does


class Study:
    """The trials of a sweep, as one worker has access to them."""

    def __init__(
        self, study: optuna.Study, sweep: Sweep, points: list[Point], heartbeat: int, created_by: str | None
    ) -> None:
        """Wrap Optuna's study; see `open_study`. `created_by`: its commit, if it is not this one."""
        self.created_by, self._study, self._sweep, self._points = created_by, study, sweep, points
        self._grace_seconds = MISSED_HEARTBEATS * heartbeat
        self._lost_since: dict[tuple[int, str], float] = {}
        self._own_num_trials = len(points) or sweep.num_trials or 0

    @property
    def num_trials(self) -> int:
        """The number of trials: the largest that any worker has asked for."""
        stored = retry(lambda: self._study.user_attrs.get(NUM_TRIALS, 0))
        if stored < self._own_num_trials:
            retry(lambda: self._study.set_user_attr(NUM_TRIALS, self._own_num_trials))
        return max(stored, self._own_num_trials)

    def require_folder(self, token: str, folder: str) -> None:
        """Raise UserError if the study's first worker used a folder with another token."""
        with translate_storage_errors():
            if FOLDER_TOKEN not in retry(lambda: self._study.user_attrs):
                retry(lambda: self._study.set_user_attr(FOLDER_TOKEN, token))
            if retry(lambda: self._study.user_attrs)[FOLDER_TOKEN] != token:
                found = f"not the folder of study {self._study.study_name}"
                needed = "All its workers need that folder, on every machine (--workdir)"
                raise UserError(f"{folder}: {found}\n{needed}; or give another --study.")

    def run_next(self, train: TrainTrial) -> bool:
        """Claim a trial and finish it; return False if none is left to claim.

        `train` returns the objective, or raises an error of `trials.py`, or a UserError if no trial can be
        trained here, which requeues the trial and is raised again. After any other error, a bug, the trial
        has failed. StudyStorageError is raised if the database cannot be reached any more, here as below.
        """
        with translate_storage_errors():
            self._requeue_lost()
            stored = self._trials()
            is_waiting = any(trial.state == TrialState.WAITING for trial in stored)
            if not is_waiting and len(trials.first_numbers(stored)) >= self.num_trials:
                return False
            self._optimize(train)
            return True

    def finished(self) -> list[FinishedTrial]:
        """Return the finished trials by number."""
        with translate_storage_errors():
            return trials.finished(self._trials())

    def num_unfinished(self) -> int:
        """Return how many trials have not finished."""
        with translate_storage_errors():
            stored, num_trials = self._trials(), self.num_trials
        counting = set(trials.first_numbers(stored)[:num_trials])
        return num_trials - len({trial.number for trial in trials.finished(stored)} & counting)

    def _optimize(self, train: TrainTrial) -> None:
        """Run one trial in Optuna, which sends its heartbeats meanwhile."""
        claimed, raised = list[int](), list[Exception]()

        def objective(trial: Trial) -> float:
            claimed.append(trial.number)
            try:
                return self._run(trial, train)
            except Exception as error:
                raised.append(error)
                raise

        try:
            caught = (trials.TrialFailedError, trials.TrialRequeuedError, trials.TrialTakenOverError)
            self._study.optimize(objective, n_trials=1, catch=caught)
        except UserError:
            self._requeue_own(claimed)
            raise
        except (ValueError, AssertionError, UpdateFinishedTrialError) as error:
            # Optuna rejects the result of a trial that another worker has taken over.
            if error in raised or not claimed or not self._trials()[claimed[0]].state.is_finished():
                raise
        self._requeue_own(claimed)

    def _run(self, trial: Trial, train: TrainTrial) -> float:
        """Optuna's objective."""
        claimed = self._claim(trial)
        try:
            deaths = trials.num_deaths(self._trials(), claimed.number)
            if deaths >= MAX_DEATHS:
                reason = "most likely it ran out of memory"
                raise trials.TrialFailedError(f"{deaths} workers died during it; {reason}")
            return train(claimed)
        except (UserError, trials.TrialRequeuedError):
            claimed.set_attribute(trials.REQUEUED, trial.number)
            raise
        except (trials.TrialPrunedError, trials.TrialTakenOverError):
            raise
        except Exception as error:
            if storage.database_cause(error) is None:  # a bug would be raised again
                is_bug = not isinstance(error, trials.TrialFailedError)
                claimed.set_attribute(trials.REASON, f"a bug: {error!r}" if is_bug else str(error))
            raise

    def _claim(self, trial: Trial) -> ClaimedTrial:
        """Record this worker with a trial; raise trials.TrialTakenOverError if the trial is superfluous."""
        # Before any attribute: a trial that is `STARTED` must have a heartbeat.
        database: Any = self._study._storage  # Optuna's cache of `storage.Storage`
        database.record_heartbeat(trial._trial_id)
        stored = self._trials()
        own = stored[trial.number]
        claimed = ClaimedTrial(trial, trials.first_number(own), {}, set(own.intermediate_values))
        if trials.is_superfluous(stored, trial.number, self.num_trials):
            claimed.set_attribute(trials.SUPERFLUOUS, trial.number)
            raise trials.TrialTakenOverError
        claimed.set_attribute(trials.WORKER, [socket.gethostname(), os.getpid()])
        claimed.set_attribute(trials.STARTED, trial.number)
        with trials.detect_takeover():
            claimed.point = self._point(trial, claimed.number)
        claimed.set_attribute(trials.POINT, claimed.point)
        return claimed

    def _point(self, trial: Trial, number: int) -> Point:
        if self._points:
            return self._points[trials.first_numbers(self._trials()).index(number)]
        # A new sampler per trial: its point depends on the trials known by then, not on the worker.
        self._study.sampler = search_space.build_sampler(self._sweep, number)
        return search_space.suggest(trial, self._sweep.ranges)

    def _requeue_lost(self) -> None:
        """Requeue trials of dead workers: at once by their heartbeats, others after the same time."""
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            retry(lambda: optuna.storages.fail_stale_trials(self._study))
        now, since = time.monotonic(), {}
        for trial in trials.lost(self._trials()):
            key = (trial.number, trial.state.name)
            since[key] = self._lost_since.get(key, now)
            if now - since[key] <= self._grace_seconds:
                continue
            if not trial.state.is_finished():
                try:
                    self._study.tell(trial.number, state=TrialState.FAIL)
                except (ValueError, UpdateFinishedTrialError):  # another worker has
                    continue
            storage.requeue(self._study, copy.deepcopy(trial))  # which changes it
        self._lost_since = since

    def _requeue_own(self, claimed: list[int]) -> None:
        """Requeue the trial that this worker has just left, if it is unfinished."""
        for trial in trials.lost(self._trials()):
            if trial.number in claimed:
                storage.requeue(self._study, copy.deepcopy(trial))

    def _trials(self) -> list[FrozenTrial]:
        """All trials by number."""
        return retry(lambda: self._study.get_trials(deepcopy=False))


def open_study(
    options: StudyOptions, sweep: Sweep, points: list[Point], objective: Objective, settings: dict[str, Any]
) -> Study:
    """Create the study that `options` name, or join it.

    `points` are all points of a grid, and empty for ranges. `settings` are recorded with the study: "content"
    and "versions", values by key and by package, which all workers must have in common, and the "commit" of
    this software, None if unknown. Raises UserError if the database cannot be reached, or the study has other
    settings.
    """
    name, heartbeat = options.name, options.heartbeat_seconds
    database, place = storage.connect(options.url, heartbeat), storage.hide_password(options.url)
    content = {**settings["content"], "objective": objective.metric}
    settings = {**settings, "content": content, "heartbeat": heartbeat, "format": FORMAT}
    settings = json.loads(json.dumps(settings))  # as the database returns it
    direction = "maximize" if objective.direction == "max" else "minimize"
    try:
        with translate_storage_errors():
            try:
                study = optuna.create_study(storage=database, study_name=name, direction=direction)
                there = None
            except optuna.exceptions.DuplicatedStudyError:
                study = optuna.load_study(storage=database, study_name=name)
                there = _recorded_settings(study)
            if there is None:
                study.set_user_attr(SETTINGS, settings)
            else:
                _require_same_settings(there, settings, f"study {name} in {place}")
    except storage.StudyStorageError as error:
        raise UserError(f"--storage {place}: {error}") from error
    study.pruner = _build_pruner(sweep.pruner)
    commits = (there or settings).get("commit"), settings["commit"]
    created_by = None if None in commits or len(set(commits)) == 1 else commits[0]
    return Study(study, sweep, points, heartbeat, created_by)


def _recorded_settings(study: optuna.Study) -> dict[str, Any] | None:
    """What the creator of a study recorded; None if it died before it did."""
    end = time.monotonic() + SETTINGS_TIMEOUT_SECONDS
    while (settings := study.user_attrs.get(SETTINGS)) is None and time.monotonic() < end:
        if study.get_trials(deepcopy=False):
            problem = "not created by this version of rnn_jax; give another --study"
            raise UserError(f"study {study.study_name}: {problem}")
        time.sleep(0.2)
    return settings


def _require_same_settings(there: dict[str, Any], here: dict[str, Any], study: str) -> None:
    if there.get("format") != FORMAT:
        problem = "stores values in the form of another version of rnn_jax"
        raise UserError(f"{study} {problem}; finish it with that version, or give another --study")
    if versions := differences(there["versions"], here["versions"]):
        remedy = "install those versions, or give another --study"
        why = "its metrics would not be comparable"
        raise UserError(f"{study} has other versions: {versions}\n{why}; {remedy}")
    if content := differences(there["content"], here["content"]):
        raise UserError(f"{study} has another sweep: {content}\ngive another --study, or that sweep")
    if there["heartbeat"] != here["heartbeat"]:
        values = f"{there['heartbeat']}, not {here['heartbeat']}"
        raise UserError(f"{study} has --heartbeat {values}: all workers need the same")


def _build_pruner(pruner: Pruner | None) -> pruners.BasePruner:
    if pruner is None:
        return pruners.NopPruner()
    if pruner.kind == "halving":
        return pruners.SuccessiveHalvingPruner(min_resource=pruner.min_evaluations)
    if pruner.kind == "hyperband":
        return pruners.HyperbandPruner(min_resource=pruner.min_evaluations)
    return pruners.PercentilePruner(
        50.0 if pruner.percentile is None else pruner.percentile,
        n_warmup_steps=pruner.min_evaluations,
        interval_steps=pruner.interval_evaluations or 1,
    )
