"""The definition of a sweep: the varied keys and their values, the seeds, the objective, and pruning.

A sweep file defines `get_sweep()`, which returns the fields of `Sweep`:

    def get_sweep():
        return dict(
            ranges={
                "optimizer.learning_rate": dict(log_uniform=(1e-4, 1e-1)),
                "model.cell": dict(choice=("lstm", "gru")),
            },
            num_trials=32,
            seeds=3,
        )
"""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic import ConfigDict as ModelConfig

from rnn_jax.config.messages import format_value, nearest
from rnn_jax.config.objective import to_text
from rnn_jax.config.values import plain
from rnn_jax.runtime.errors import UserError

Bounds = tuple[float, float]
ONLY_RANGES = "only with ranges; a grid has all its combinations"
ONLY_IN_STUDY = "only with --storage, which stores the sweep in a study"


class _Strict(BaseModel):
    model_config = ModelConfig(extra="forbid", allow_inf_nan=False, frozen=True)


class Range(_Strict):
    """The distribution of a key's values: exactly one field is set."""

    uniform: Bounds | None = Field(None, description="two numbers; uniform between them")
    log_uniform: Bounds | None = Field(None, description="two positive numbers; the logarithm is uniform")
    integer: tuple[int, int] | None = Field(None, description="two whole numbers, both included")
    choice: tuple[Any, ...] | None = Field(None, description="values with equal probability")

    @property
    def kinds(self) -> list[str]:
        """The names of the fields that are set."""
        return [name for name in Range.model_fields if getattr(self, name) is not None]

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Both bounds, or all values of a choice."""
        (kind,) = self.kinds
        return getattr(self, kind)


class Halving(_Strict):
    """Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943) of the points of one program."""

    min_resource_fraction: float = Field(
        gt=0, lt=1, description="fraction of the steps before points are first pruned, at the next evaluation"
    )
    reduction_factor: float = Field(gt=1, description="each time, one in this many points continues")
    resource_factor: float = Field(2.0, ge=1.1, description="factor on the steps between two prunings")


class Pruner(_Strict):
    """The pruner of a study: compares a trial with the others at the same evaluation."""

    kind: Literal["percentile", "halving", "hyperband"] = Field(
        description="percentile: keep the best percentage of the trials; halving: asynchronous successive "
        "halving (Li et al. 2018, arXiv 1810.05934); hyperband (Li et al. 2016, arXiv 1603.06560)"
    )
    percentile: float | None = Field(
        None, gt=0, lt=100, description="of kind percentile: percentage that continues; None: 50, the median"
    )
    min_evaluations: int = Field(1, ge=1, description="evaluations before a trial can be pruned")
    interval_evaluations: int | None = Field(
        None, ge=1, description="of kind percentile: evaluations from one check to the next; None: 1"
    )


class Sweep(_Strict):
    """The fields of a sweep file."""

    grid: dict[str, tuple[Any, ...]] = Field({}, description="values of keys, in all combinations")
    ranges: dict[str, Range] = Field({}, description="distributions of keys, from which points are sampled")
    num_trials: int | None = Field(None, ge=1, description="number of points sampled from the ranges")
    sampler_seed: int = Field(0, ge=0, description="seed of the sampler")
    seeds: int = Field(1, ge=1, description="number of seeds per point, counted up from train.seed")
    objective: Annotated[str | None, BeforeValidator(to_text)] = Field(
        None, description="train.objective of all members, the metrics that decide; None: the config's"
    )
    duration_steps: int | None = Field(None, ge=1, description="length of training; None: the config's")
    duration_epochs: float | None = Field(None, gt=0, description="the same in epochs")
    halving: Halving | None = Field(None, description="successive halving; without a study")
    sampler: Literal["tpe", "random"] | None = Field(
        None, description="of a study: samples points from the ranges; None: tpe"
    )
    pruner: Pruner | None = Field(None, description="of a study: prunes trials; None: none is pruned")

    @property
    def keys(self) -> list[str]:
        """The varied keys."""
        return [*self.grid, *self.ranges]

    @property
    def listed_values(self) -> dict[str, tuple[Any, ...]]:
        """The values of each varied key; none where it has bounds."""
        return self.grid | {key: found.choice or () for key, found in self.ranges.items()}


def check(
    fields: Any, origin: str, typed: Mapping[str, Any] | None = None, *, in_study: bool = False
) -> Sweep:
    """Validate the fields of a sweep, with `typed` in place of its own; raise UserError, a line per error.

    `origin` is where they come from, for messages; `in_study`: whether a study stores the sweep.
    """
    if not isinstance(fields, Mapping):
        raise UserError(f"{origin}: get_sweep() must return a dict, and returns {type(fields).__name__}")
    try:
        sweep = Sweep.model_validate({**plain(fields), **(typed or {})})
    except ValidationError as error:
        raise UserError("\n".join(_message(details, origin) for details in error.errors())) from error
    contradictions = {
        "give a grid or ranges, not both": sweep.grid and sweep.ranges,
        "a grid or ranges are missing": not sweep.keys,
        "num_trials: must be given with ranges": sweep.ranges and sweep.num_trials is None,
        f"num_trials: {ONLY_RANGES}": sweep.grid and sweep.num_trials is not None,
        "duration_steps and duration_epochs exclude each other": sweep.duration_steps
        and sweep.duration_epochs,
        "halving: not with --storage; use pruner=dict(kind='halving')": in_study and sweep.halving,
        f"sampler: {ONLY_RANGES}": in_study and sweep.sampler and sweep.grid,
        f"sampler: {ONLY_IN_STUDY}": not in_study and sweep.sampler,
        f"pruner: {ONLY_IN_STUDY}": not in_study and sweep.pruner,
    }
    if in_study and sweep.pruner and sweep.pruner.kind != "percentile":
        for name in ("percentile", "interval_evaluations"):
            contradictions[f"pruner.{name}: only of kind 'percentile'"] = getattr(sweep.pruner, name)
    errors = [*_wrong_values(sweep), *(message for message, is_found in contradictions.items() if is_found)]
    if errors:
        raise UserError("\n".join(f"{origin}: {error}" for error in errors))
    return sweep


def _wrong_values(sweep: Sweep) -> Iterator[str]:
    for key, values in sweep.grid.items():
        if not values:
            yield f"grid of {key}: empty; give at least one value"
        repeated = [value for number, value in enumerate(values) if value in values[:number]]
        if repeated:
            yield f"grid of {key}: {format_value(repeated[0])} occurs twice"
    for key, found in sweep.ranges.items():
        if error := _range_error(found):
            yield f"ranges of {key}: {error}"


def _range_error(found: Range) -> str | None:
    if len(found.kinds) != 1:
        return f"must be one of {', '.join(Range.model_fields)}"
    if found.choice is not None:
        return None if found.choice else "choice has no values"
    (kind,), (low, high) = found.kinds, found.extremes
    if low > high:
        return f"{kind} from {low} to {high}: the smaller number comes first"
    if math.isinf(high - low):
        return f"{kind} from {low} to {high}: the difference is not finite"
    return f"log_uniform from {low}: must be more than 0" if kind == "log_uniform" and low <= 0 else None


def _message(details: Any, origin: str) -> str:
    """The message of an error that pydantic found."""
    path = [str(part) for part in details["loc"]]
    key = ".".join(path)
    if details["type"] == "extra_forbidden":
        inner = {"ranges": Range, "halving": Halving, "pruner": Pruner}
        known = (inner[path[0]] if len(path) > 1 else Sweep).model_fields
        near = nearest(path[-1], known)
        hint = f"did you mean {near}?" if near else f"the fields are {', '.join(known)}"
        return f"{origin}: {key}: no such field; {hint}"
    if details["type"] == "missing":
        return f"{origin}: {key}: must be given"
    return f"{origin}: {key} = {format_value(details['input'])}: {details['msg']}"
