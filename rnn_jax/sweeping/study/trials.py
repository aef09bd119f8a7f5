"""Which trials in a study's database count, which have finished, and which have lost their worker.

When a worker dies, its trial is failed and requeued: a new trial with the same point takes its place and
records the number of the first one. That first number identifies the trial to users, however often it is
requeued. Workers can die between any two writes, and several can requeue the same trial, so a trial may be
requeued twice or never, and one trial too many may be started. The functions here detect all of this from
the stored trials alone, so that every worker comes to the same result.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

FIRST_NUMBER, HISTORY = "failed_trial", "retry_history"
"""Optuna's system attributes of a requeued trial: the first trial it replaces, and all that it replaces."""
REASON = "reason"
"""User attribute of a trial that failed for good: it is not requeued."""
WORKER = "worker"
"""User attribute: host and process id of the worker."""
POINT = "point"
STARTED, REQUEUED, SUPERFLUOUS = "started", "requeued", "superfluous"
"""User attributes that hold the trial's own number, since a requeued trial inherits all attributes."""


class FinishedTrial(NamedTuple):
    """A trial that is complete, pruned, or failed for good."""

    number: int
    """Number of the first attempt."""
    status: str
    """'finished', 'pruned' or 'failed'."""
    point: dict[str, Any]
    """Values of the varied keys."""
    value: float | None
    """The objective; of a pruned trial, at its last evaluation."""
    reason: str | None
    """Why it failed."""
    attributes: dict[str, Any]
    """All other user attributes."""


def first_number(trial: FrozenTrial) -> int:
    """Return the number of a trial's first attempt."""
    return trial.system_attrs.get(FIRST_NUMBER, trial.number)


def first_numbers(trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the sorted numbers of all trials that count, each by its first attempt."""
    return sorted({first_number(trial) for trial in trials if not _is_superfluous(trial)})


def any_waiting(trials: Sequence[FrozenTrial]) -> bool:
    """Whether a requeued trial waits for a worker."""
    return any(trial.state.name == "WAITING" for trial in trials)


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
