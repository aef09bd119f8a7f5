"""The trials of a study: how one is claimed and ends, which count, and which have lost their worker.

When a worker dies, its trial is failed and requeued: a new trial with the same point takes its place and
records the number of the first one. That first number identifies the trial to users, however often it is
requeued. Workers can die between any two writes, and several can requeue the same trial, so a trial may be
requeued twice or never, and one trial too many may be started. The functions here detect all of this from
the stored trials alone, so that every worker comes to the same result.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial

from rnn_jax.sweeping.study.search_space import Point
from rnn_jax.sweeping.study.storage import retry

# Optuna's system attributes of a requeued trial: the first trial it replaces, and all that it replaces.
FIRST_NUMBER, HISTORY = "failed_trial", "retry_history"
# User attributes: why a trial failed for good and is not requeued, host and process id of the worker, and
# those that hold the trial's own number, since a requeued trial inherits all attributes.
REASON, WORKER, POINT = "reason", "worker", "point"
STARTED, REQUEUED, SUPERFLUOUS = "started", "requeued", "superfluous"


class TrialFailedError(Exception):
    """The trial has no result and is not repeated; the message gives the reason."""


class TrialPrunedError(TrialPruned):
    """The study's pruner stopped the trial."""


class TrialRequeuedError(Exception):
    """The trial cannot finish here; another worker resumes it."""


class TrialTakenOverError(Exception):
    """This worker missed its heartbeats, and another worker has taken the trial over."""


class ClaimedTrial:
    """A trial that this worker has claimed."""

    def __init__(self, trial: Trial, number: int, point: Point, reported: set[int]) -> None:
        """Wrap Optuna's trial, whose first attempt has this number; earlier attempts reported `reported`."""
        self.number, self.point = number, point
        self._trial, self._reported = trial, reported

    def set_attribute(self, name: str, value: Any) -> None:
        """Store a plain value with the trial; raise TrialTakenOverError if another worker has it."""
        with detect_takeover():
            retry(lambda: self._trial.set_user_attr(name, value))

    def report(self, evaluation: int, value: float) -> None:
        """Report the objective at an evaluation, counted from 1; repeated reports are ignored.

        TrialPrunedError is raised if the pruner stops the trial, TrialTakenOverError as by `set_attribute`.
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


class FinishedTrial(NamedTuple):
    """A trial that is complete, pruned, or failed for good."""

    number: int  # of the first attempt
    status: str  # 'finished', 'pruned' or 'failed'
    point: Point
    value: float | None  # the objective; of a pruned trial, at its last evaluation
    reason: str | None  # why it failed
    attributes: dict[str, Any]  # all other user attributes


def first_number(trial: FrozenTrial) -> int:
    """Return the number of a trial's first attempt."""
    return trial.system_attrs.get(FIRST_NUMBER, trial.number)


def first_numbers(trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the sorted numbers of all trials that count, each by its first attempt."""
    return sorted({first_number(trial) for trial in trials if not _is_superfluous(trial)})


def finished(trials: Sequence[FrozenTrial]) -> list[FinishedTrial]:
    """Return the finished trials by number. Of one that finished twice, the earlier result counts."""
    found: dict[int, FrozenTrial] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        if _is_finished(trial):
            found.setdefault(first_number(trial), trial)
    statuses = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
    results = []
    for number, trial in sorted(found.items()):
        status, attributes = statuses[trial.state.name], dict(trial.user_attrs)
        point, reason = attributes.pop(POINT, {}), attributes.pop(REASON, None)
        if status != "failed":
            reason = None  # that of an earlier attempt is inherited
        results.append(FinishedTrial(number, status, point, trial.value, reason, attributes))
    return results


def is_superfluous(trials: Sequence[FrozenTrial], number: int, num_trials: int) -> bool:
    """Whether trial `number` repeats one that another worker has, or exceeds the number of trials."""
    first = next(first_number(trial) for trial in trials if trial.number == number)
    earlier = [trial for trial in trials if first_number(trial) == first and trial.number < number]
    if any(trial.state.name in ("RUNNING", "WAITING") or _is_finished(trial) for trial in earlier):
        return True
    return first not in first_numbers(trials)[:num_trials]


def num_deaths(trials: Sequence[FrozenTrial], number: int) -> int:
    """Return how many workers died during a trial; attempts that were requeued on purpose do not count."""
    attempts = [trial for trial in trials if first_number(trial) == number]
    return sum(_is_dropped(trial) and trial.user_attrs.get(REQUEUED) != trial.number for trial in attempts)


def lost(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return trials without a worker that Optuna's heartbeats do not detect.

    Their workers died between creating the trial and its first heartbeat, or between failing and requeueing
    it. For a moment, trials of live workers look the same.
    """
    requeued = {number for trial in trials for number in trial.system_attrs.get(HISTORY, ())}
    return [
        trial
        for trial in trials
        if (trial.state.name == "RUNNING" and trial.user_attrs.get(STARTED) != trial.number)
        or (_is_dropped(trial) and trial.number not in requeued)
    ]


def _is_dropped(trial: FrozenTrial) -> bool:
    """Whether an attempt failed without finishing its trial."""
    return trial.state.name == "FAIL" and not _is_finished(trial) and not _is_superfluous(trial)


def _is_superfluous(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get(SUPERFLUOUS) == trial.number


def _is_finished(trial: FrozenTrial) -> bool:
    failed = trial.state.name == "FAIL" and REASON in trial.user_attrs and not _is_superfluous(trial)
    return failed or trial.state.name in ("COMPLETE", "PRUNED")
