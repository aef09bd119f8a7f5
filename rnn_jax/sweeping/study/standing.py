"""What the trials that a database holds amount to: which count, which have come to an end, which are lost.

A worker that dies leaves its trial; the trial is given up (`FAIL`) and put back as another one, which knows
the first one's number: its *origin*. By it people know the trial, however often it was put back. Since
workers may die between any two writes, and several may notice it, a trial may be put back twice, or not at
all, and one trial too many may be begun: these are found here, by what every worker sees alike.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

ORIGIN = "failed_trial"
HISTORY = "retry_history"
"""What Optuna calls the first of the trials that a trial takes the place of, and all of them."""
REASON = "reason"
"""Why a trial has no result: it has come to its end without one, and is not put back."""
WORKER = "worker"
"""Who is at work on a trial: host and process."""
BEGUN = "begun"
PUT_BACK = "put back"
SUPERFLUOUS = "superfluous"
"""Set to a trial's own number, since what takes its place inherits what is noted of it."""
POINT = "point"


class Ended(NamedTuple):
    """A trial that has come to its end."""

    number: int
    """Its origin."""
    status: str
    """'finished', 'pruned' or 'failed'."""
    point: dict[str, Any]
    """The values of the keys that are varied."""
    value: float | None
    """The objective; of one that was pruned, the last one that is known."""
    reason: str | None
    """Why it failed."""
    notes: dict[str, Any]
    """What else was noted of it."""


def origin(trial: "FrozenTrial") -> int:
    """The number by which people know a trial."""
    return trial.system_attrs.get(ORIGIN, trial.number)


def origins(trials: "Sequence[FrozenTrial]") -> list[int]:
    """The trials that count, each once, by number."""
    return sorted({origin(trial) for trial in trials if not _is_superfluous(trial)})


def is_waiting(trials: "Sequence[FrozenTrial]") -> bool:
    """Whether one that was put back waits for a worker."""
    return any(trial.state.name == "WAITING" for trial in trials)


def ended(trials: "Sequence[FrozenTrial]") -> list[Ended]:
    """The trials that have come to their end, by number; of one that did so twice, the earlier result."""
    found: dict[int, FrozenTrial] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        if _has_ended(trial):
            found.setdefault(origin(trial), trial)
    return [_ended(number, trial) for number, trial in sorted(found.items())]


def is_one_too_many(trials: "Sequence[FrozenTrial]", number: int, count: int) -> bool:
    """Whether a trial, by its own number, is somebody else's already, or more than there are to be."""
    mine = next(trial for trial in trials if trial.number == number)
    earlier = [trial for trial in trials if origin(trial) == origin(mine) and trial.number < number]
    if any(trial.state.name in ("RUNNING", "WAITING") or _has_ended(trial) for trial in earlier):
        return True
    return origin(mine) not in origins(trials)[:count]


def deaths(trials: "Sequence[FrozenTrial]", number: int) -> int:
    """How many workers died over a trial: those that put it back themselves do not count."""
    return sum(
        trial.state.name == "FAIL"
        and not _has_ended(trial)
        and not _is_superfluous(trial)
        and trial.user_attrs.get(PUT_BACK) != trial.number
        for trial in trials
        if origin(trial) == number
    )


def lost(trials: "Sequence[FrozenTrial]") -> "list[FrozenTrial]":
    """Those that look as if their worker had died where no heartbeat tells of it.

    Between beginning a trial and its first heartbeat; or between giving one up and putting it back. For a
    moment the trials of live workers look so too.
    """
    put_back = {number for trial in trials for number in trial.system_attrs.get(HISTORY, ())}
    return [trial for trial in trials if _is_unheard_of(trial) or _is_dropped(trial, put_back)]


def _is_unheard_of(trial: "FrozenTrial") -> bool:
    return trial.state.name == "RUNNING" and trial.user_attrs.get(BEGUN) != trial.number


def _is_dropped(trial: "FrozenTrial", put_back: set[int]) -> bool:
    given_up = trial.state.name == "FAIL" and not _has_ended(trial) and not _is_superfluous(trial)
    return given_up and trial.number not in put_back


def _is_superfluous(trial: "FrozenTrial") -> bool:
    return trial.user_attrs.get(SUPERFLUOUS) == trial.number


def _has_ended(trial: "FrozenTrial") -> bool:
    return trial.state.name in ("COMPLETE", "PRUNED") or (
        trial.state.name == "FAIL" and REASON in trial.user_attrs and not _is_superfluous(trial)
    )


def _ended(number: int, trial: "FrozenTrial") -> Ended:
    status = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
    notes = dict(trial.user_attrs)
    point = notes.pop(POINT, {})
    # A value that has no figure is kept by Optuna as None; inherited, a reason is that of an earlier try.
    reason = notes.pop(REASON, None) if status == "failed" else None
    return Ended(number, status, point, trial.value, reason, notes)
