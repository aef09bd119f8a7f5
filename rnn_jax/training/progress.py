"""What the training loop decides by, beside the state: plain values, stored as JSON in every checkpoint."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from rnn_jax.checkpoints.store import Checkpoint
from rnn_jax.config.objective import Objective
from rnn_jax.reporting.formatting import scalars
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.files import finite

RUNNING = "running"
FINISHED = "finished"
STOPPED_EARLY = "stopped early"
PRUNED = "pruned"
DIVERGED = "diverged"
_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclasses.dataclass(frozen=True)
class MemberStatus:
    """Where one model stands: the model of a run, or a member of a population."""

    __pydantic_config__ = _STRICT
    status: str = RUNNING  # one of this module's constants
    step: int = 0  # updates made when the status was last changed, or at the last evaluation
    best_step: int | None = None
    best: dict[str, float | None] = dataclasses.field(default_factory=dict)  # validation at `best_step`
    evaluations_since_best: int = 0  # evaluations in which no metric of the objective improved
    metrics: dict[str, float | None] = dataclasses.field(default_factory=dict)
    """The metrics of the objective at the last evaluation; None where one is not finite."""
    restores: int = 0  # how often training was rolled back because this model diverged
    skipped: int = 0  # updates skipped because the loss or the gradient was not finite
    reason: str | None = None  # why the model diverged

    @property
    def best_with_step(self) -> dict[str, Any] | None:
        """The best metrics with their step, as in summary.json; None before the first finite ones."""
        return None if self.best_step is None else {"step": self.best_step, **self.best}

    def evaluated(self, step: int, metrics: Mapping[str, Any], objective: Objective) -> "MemberStatus":
        """Return the status after an evaluation of validation at `step`.

        Where every metric of the objective ties, the later step is the best, but it counts as no improvement.
        """
        values: dict[str, float | None] = finite(scalars(metrics))
        new, old = {**values, "step": step}, self.best_with_step
        best_step, best = (step, values) if objective.is_better(new, old) else (self.best_step, self.best)
        return dataclasses.replace(
            self,
            step=step,
            metrics={name: values.get(name) for name, _ in objective.criteria},
            best_step=best_step,
            best=best,
            evaluations_since_best=0 if objective.improves(new, old) else self.evaluations_since_best + 1,
        )


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop decides by."""

    __pydantic_config__ = _STRICT
    devices: int  # number of devices that the run computes on: its last bits depend on it
    members: tuple[MemberStatus, ...] = (MemberStatus(),)
    """The status of every model, by its number; a run has one."""
    evaluated_at: int = 0  # the step of the last evaluation; 0: none yet
    is_planned: bool = False
    """Whether the config alone asks for a checkpoint at this step, and not a clock or a signal."""
    places: dict[str, list[int]] | None = None
    """Where the members of a population are on its devices, see `population.PopulationState`."""

    @property
    def running(self) -> list[int]:
        """The numbers of the models that still train."""
        return [number for number, member in enumerate(self.members) if member.status == RUNNING]

    def with_members(self, changed: Mapping[int, MemberStatus]) -> "Progress":
        """Return the progress with other statuses for some members."""
        members = tuple(changed.get(number, member) for number, member in enumerate(self.members))
        return dataclasses.replace(self, members=members)

    def change(self, fields: Mapping[int, Mapping[str, Any]]) -> "Progress":
        """Return the progress with other values of some members' fields."""
        return self.with_members(
            {number: dataclasses.replace(self.members[number], **own) for number, own in fields.items()}
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `metrics` and `best_step` are those that the retention policy reads."""
        first = self.members[0]
        alone = {"metrics": first.metrics, "best_step": first.best_step} if len(self.members) == 1 else {}
        return {**dataclasses.asdict(self), **alone}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Progress":
        """Rebuild what `to_json` returned; raises KeyError or ValidationError if it was something else."""
        own = {name: value for name, value in fields.items() if name not in ("metrics", "best_step")}
        return TypeAdapter(cls).validate_json(json.dumps({**own, "members": fields["members"]}))


def progress_of(found: Checkpoint) -> Progress:
    """Return the progress that a checkpoint stores; raises CheckpointError if it stores something else."""
    try:
        return Progress.from_json(found.progress)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))} is {first['input']!r}: {first['msg']}"
        raise CheckpointError(f"{found.path}: its progress.json is of another kind ({reason})") from error
    except KeyError as error:
        raise CheckpointError(f"{found.path}: its progress.json is of another kind ({error})") from error
