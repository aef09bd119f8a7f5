"""What the loop decides by, beside the state: plain values, which JSON holds."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.files import finite


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the loop of one run decides by."""

    devices: int
    """How many devices the run computes on: its bits depend on it."""
    best_step: int | None = None
    best: dict[str, float | None] = dataclasses.field(default_factory=dict)
    """Validation figures at `best_step`."""
    evaluations_since_best: int = 0
    evaluated_at: int = 0
    """The step of the last evaluation; 0: there was none."""
    figure: float | None = None
    """The objective at `evaluated_at`; None where it is not finite."""
    restores: int = 0
    """How often the run went back to a checkpoint because it had diverged."""
    is_planned: bool = False
    """Whether the config alone says that there is a checkpoint at this step, and no clock and no signal."""

    def evaluated(self, step: int, figures: Mapping[str, float], objective: Objective) -> "Progress":
        """The progress after an evaluation. A tie keeps the earlier best; what is not finite is never one.

        Args:
            step: updates made.
            figures: of the validation split.
            objective: the metric that decides.
        """
        figure = figures[objective.metric] if math.isfinite(figures[objective.metric]) else None
        noted = dataclasses.replace(self, evaluated_at=step, figure=figure)
        if objective.is_better(figure, self.best.get(objective.metric)):
            kept: dict[str, float | None] = finite(dict(figures))
            return dataclasses.replace(noted, best_step=step, best=kept, evaluations_since_best=0)
        return dataclasses.replace(noted, evaluations_since_best=self.evaluations_since_best + 1)

    def to_json(self) -> dict[str, Any]:
        """The fields, as JSON holds them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Progress":
        """Rebuilds what `to_json` gave.

        Raises:
            TypeError: a field is missing, is too many or has another type.
        """
        for field in dataclasses.fields(cls):
            if field.name in fields and not _fits(fields[field.name], field.type):
                raise TypeError(f"{field.name} is {fields[field.name]!r}")
        return cls(**fields)


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    if typing.get_origin(kind) is dict:
        return isinstance(value, dict) and all(
            _fits(item, typing.get_args(kind)[1]) for item in value.values()
        )
    if kind is bool:
        return isinstance(value, bool)
    return (kind is types.NoneType and value is None) or (kind in (int, float) and type(value) in (int, kind))
