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
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic import ConfigDict as ModelConfig

from rnn_jax.config.messages import format_value, nearest
from rnn_jax.config.python_files import call_function
from rnn_jax.runtime.errors import UserError

Bounds = tuple[float, float]


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
    resource_factor: float = Field(
        2.0, ge=1.1, description="factor on the steps from one pruning to the next"
    )


class Pruner(_Strict):
    """The pruner of a study: compares a trial with the others at the same evaluation."""

    kind: Literal["percentile", "halving", "hyperband"] = Field(
        description="percentile: keep the best percentage of the trials; halving: asynchronous successive "
        "halving (Li et al. 2018, arXiv 1810.05934); hyperband (Li et al. 2016, arXiv 1603.06560)"
    )
    percentile: float | None = Field(
        None,
        gt=0,
        lt=100,
        description="of kind percentile: the percentage that continues; None: 50, the median",
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
    objective: str | None = Field(
        None, description="one of the task's metrics, which decides; None: the task's own objective"
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


def load(path: str, typed: Mapping[str, Any], *, in_study: bool) -> Sweep:
    """Run a sweep file; `typed` fields replace its own.

    Raises:
        UserError: the file is missing, fails, or does not define a valid sweep.
    """
    return check(call_function(path, "get_sweep", "--sweep"), path, typed, in_study=in_study)


def check(
    fields: Any, origin: str, typed: Mapping[str, Any] | None = None, *, in_study: bool = False
) -> Sweep:
    """Validate the fields of a sweep.

    Args:
        fields: by name.
        origin: where they come from, for messages.
        typed: fields that replace these.
        in_study: whether the sweep is stored in a study.

    Raises:
        UserError: one line per error.
    """
    if not isinstance(fields, Mapping):
        raise UserError(f"{origin}: get_sweep() must return a dict, and returns {type(fields).__name__}")
    try:
        sweep = Sweep.model_validate({**fields, **(typed or {})})
    except ValidationError as error:
        raise UserError("\n".join(_message(details, origin) for details in error.errors())) from error
    errors = [*_contradictions(sweep), *(_study_errors(sweep) if in_study else _only_in_study(sweep))]
    if errors:
        raise UserError("\n".join(f"{origin}: {error}" for error in errors))
    return sweep


def _contradictions(sweep: Sweep) -> list[str]:
    errors = []
    if bool(sweep.grid) == bool(sweep.ranges):
        errors.append("give a grid or ranges, not both" if sweep.grid else "a grid or ranges are missing")
    for key, values in sweep.grid.items():
        if not values:
            errors.append(f"grid of {key}: empty; give at least one value")
        repeated = [value for number, value in enumerate(values) if value in values[:number]]
        errors += [f"grid of {key}: {format_value(value)} occurs twice" for value in repeated[:1]]
    if sweep.ranges and sweep.num_trials is None:
        errors.append("num_trials: must be given with ranges")
    if sweep.grid and sweep.num_trials is not None:
        errors.append("num_trials: only with ranges; a grid has all its combinations")
    if sweep.duration_steps is not None and sweep.duration_epochs is not None:
        errors.append("duration_steps and duration_epochs exclude each other")
    for key, found in sweep.ranges.items():
        errors += [f"ranges of {key}: {error}" for error in _range_errors(found)]
    return errors


def _range_errors(found: Range) -> list[str]:
    if len(found.kinds) != 1:
        return [f"must be one of {', '.join(Range.model_fields)}"]
    (kind,) = found.kinds
    if kind == "choice":
        return [] if found.choice else ["choice has no values"]
    low, high = found.extremes
    if low > high:
        return [f"{kind} from {low} to {high}: the smaller number comes first"]
    if math.isinf(high - low):
        return [f"{kind} from {low} to {high}: the difference is not finite"]
    return [f"log_uniform from {low}: must be more than 0"] if kind == "log_uniform" and low <= 0 else []


def _study_errors(sweep: Sweep) -> list[str]:
    errors = []
    if sweep.halving is not None:
        errors.append("halving: not with --storage; use pruner=dict(kind='halving')")
    if sweep.sampler is not None and sweep.grid:
        errors.append("sampler: only with ranges; a grid has all its combinations")
    pruner = sweep.pruner
    for name in ("percentile", "interval_evaluations"):
        if pruner is not None and pruner.kind != "percentile" and getattr(pruner, name) is not None:
            errors.append(f"pruner.{name}: only of kind 'percentile'")
    return errors


def _only_in_study(sweep: Sweep) -> list[str]:
    found = [name for name in ("sampler", "pruner") if getattr(sweep, name) is not None]
    return [f"{name}: only with --storage, which stores the sweep in a study" for name in found]


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
