"""What the training loop decides by, beside the state: plain values, stored as JSON in every checkpoint."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from rnn_jax.checkpoints.store import Checkpoint
from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.files import finite

RUNNING = "running"
FINISHED = "finished"
STOPPED_EARLY = "stopped early"
PRUNED = "pruned"
DIVERGED = "diverged"


@dataclasses.dataclass(frozen=True)
class MemberStatus:
    """Where one model stands: the model of a run, or a member of a population."""

    status: str = RUNNING
    """One of this module's constants."""
    step: int = 0
    """Updates made when the status was last changed, or at the last evaluation."""
    best_step: int | None = None
    best: dict[str, float | None] = dataclasses.field(default_factory=dict)
    """Validation metrics at `best_step`."""
    evaluations_since_best: int = 0
    metric: float | None = None
    """The objective at the last evaluation; None where it is not finite."""
    restores: int = 0
    """How often training was rolled back because this model diverged."""
    skipped: int = 0
    """Updates skipped because the loss or the gradient was not finite."""
    reason: str | None = None
    """Why the model diverged."""

    def evaluated(self, step: int, metrics: Mapping[str, float], objective: Objective) -> "MemberStatus":
        """Return the status after an evaluation. A tie keeps the earlier best.

        Args:
            step: updates made.
            metrics: of the validation split.
            objective: which metric decides.
        """
        values: dict[str, float | None] = finite(dict(metrics))
        noted = dataclasses.replace(self, step=step, metric=values[objective.metric])
        if objective.is_better(noted.metric, self.best.get(objective.metric)):
            return dataclasses.replace(noted, best_step=step, best=values, evaluations_since_best=0)
        return dataclasses.replace(noted, evaluations_since_best=self.evaluations_since_best + 1)


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop decides by."""

    devices: int
    """Number of devices that the run computes on: its last bits depend on it."""
    members: tuple[MemberStatus, ...] = (MemberStatus(),)
    """The status of every model, by its number; a run has one."""
    evaluated_at: int = 0
    """The step of the last evaluation; 0: none yet."""
    is_planned: bool = False
    """Whether the config alone asks for a checkpoint at this step, and not a clock or a signal."""
    places: dict[str, list[int]] | None = None
    """Where the members of a population are on its devices, see `population.Places`."""

    @property
    def running(self) -> list[int]:
        """The numbers of the models that still train."""
        return [number for number, member in enumerate(self.members) if member.status == RUNNING]

    def with_members(self, changed: Mapping[int, MemberStatus]) -> "Progress":
        """Return the progress with other statuses for some members."""
        members = tuple(changed.get(number, member) for number, member in enumerate(self.members))
        return dataclasses.replace(self, members=members)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `metric` and `best_step` are those that the retention policy reads."""
        first = self.members[0]
        alone = {"metric": first.metric, "best_step": first.best_step} if len(self.members) == 1 else {}
        return {**dataclasses.asdict(self), **alone}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Progress":
        """Rebuild what `to_json` returned.

        Raises:
            TypeError: a field is missing, unknown, or of another type.
        """
        own = {name: value for name, value in fields.items() if name not in ("metric", "best_step")}
        members: Sequence[Any] = own.pop("members")
        return _checked(cls, {**own, "members": tuple(_checked(MemberStatus, member) for member in members)})


def progress_of(found: Checkpoint) -> Progress:
    """The progress that a checkpoint stores.

    Raises:
        CheckpointError: it stores something else.
    """
    try:
        return Progress.from_json(found.progress)
    except (TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{found.path}: its progress.json is of another kind ({error})") from error


def _checked(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    for field in dataclasses.fields(kind):
        if field.name in fields and not _fits(fields[field.name], field.type):
            raise TypeError(f"{field.name} is {fields[field.name]!r}")
    return kind(**fields)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, parts[1]) for item in value.values())
    if origin in (tuple, list):
        return isinstance(value, origin) and all(_fits(item, parts[0]) for item in value)
    if kind is float:
        return type(value) in (int, float)
    return value is None if kind is types.NoneType else type(value) is kind
