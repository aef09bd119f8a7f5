"""What a sweep is: which keys are varied and how, with how many seeds, and whether the worst are given up.

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

from rnn_jax.config.messages import nearest, shown
from rnn_jax.config.python_files import call_function
from rnn_jax.runtime.errors import UserError

Bounds = tuple[float, float]


class _Strict(BaseModel):
    model_config = ModelConfig(extra="forbid", allow_inf_nan=False, frozen=True)


class Range(_Strict):
    """How the values of a key are drawn: just one of these."""

    uniform: Bounds | None = Field(None, description="two numbers, evenly between them")
    log_uniform: Bounds | None = Field(None, description="two positive numbers, their logarithms evenly")
    integer: tuple[int, int] | None = Field(None, description="two whole numbers, both included")
    choice: tuple[Any, ...] | None = Field(None, description="values, each as likely")

    @property
    def kinds(self) -> list[str]:
        """Those that are set: one, where it is right."""
        return [name for name in Range.model_fields if getattr(self, name) is not None]

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Both ends, or all values of a choice."""
        (kind,) = self.kinds
        return getattr(self, kind)


class Halving(_Strict):
    """Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943): the worst points are given up."""

    min_resource_fraction: float = Field(
        gt=0, lt=1, description="fraction of the steps before points are first pruned, at the next evaluation"
    )
    reduction_factor: float = Field(gt=1, description="each time, one in this many points goes on")
    resource_factor: float = Field(
        2.0, ge=1.1, description="factor on the steps from one pruning to the next"
    )


class Pruning(_Strict):
    """When trials of a study are given up, by what others came to at the same evaluation."""

    kind: Literal["percentile", "halving", "hyperband"] = Field(
        description="percentile: who is not among the best share of those that came to their end; halving: "
        "asynchronous (Li et al. 2018, arXiv 1810.05934); hyperband (Li et al. 2016, arXiv 1603.06560)"
    )
    keep: float | None = Field(
        None, gt=0, lt=1, description="of percentile: the share that goes on; None: half, the median rule"
    )
    from_evaluation: int = Field(1, ge=1, description="the first one at which trials are given up")
    every_evaluations: int | None = Field(
        None, ge=1, description="of percentile: at every how-manieth it is looked; None: at each"
    )


class Sweep(_Strict):
    """What is swept."""

    grid: dict[str, tuple[Any, ...]] = Field({}, description="values of keys, in all combinations")
    ranges: dict[str, Range] = Field({}, description="ranges of keys, from which values are drawn")
    num_trials: int | None = Field(None, ge=1, description="how many points are drawn from the ranges")
    draw_seed: int = Field(0, ge=0, description="decides what is drawn")
    seeds: int = Field(
        1, ge=1, description="how often each point is trained: train.seed from the config's on"
    )
    objective: str | None = Field(
        None, description="the validation figure that decides, 'loss' or 'accuracy'; None: the task's own"
    )
    duration_steps: int | None = Field(None, ge=1, description="how long; None: as the config says")
    duration_epochs: float | None = Field(None, gt=0, description="the same in epochs")
    halving: Halving | None = Field(None, description="whether and when the worst points are given up")
    sampler: Literal["tpe", "random"] | None = Field(
        None, description="who draws the points of a study from its ranges; None: tpe"
    )
    pruning: Pruning | None = Field(
        None, description="whether and when trials of a study that fall behind are given up"
    )

    @property
    def keys(self) -> list[str]:
        """What is varied."""
        return [*self.grid, *self.ranges]


def load(path: str, typed: Mapping[str, Any], *, in_study: bool) -> Sweep:
    """Runs a sweep file; `typed` has fields that were given otherwise, and count.

    Raises:
        UserError: there is no such file, it fails, or it says what no sweep can be.
    """
    return check(call_function(path, "get_sweep", "--sweep"), path, typed, in_study=in_study)


def check(
    fields: Any, origin: str, typed: Mapping[str, Any] | None = None, *, in_study: bool = False
) -> Sweep:
    """A sweep of its fields.

    Args:
        fields: by name.
        origin: where they come from, named in mistakes.
        typed: fields that take the place of these.
        in_study: whether the sweep is kept in a study, whose trials several workers share.

    Raises:
        UserError: a line for each mistake.
    """
    if not isinstance(fields, Mapping):
        raise UserError(f"{origin}: get_sweep() must return a dict, and returns {type(fields).__name__}")
    try:
        sweep = Sweep.model_validate({**fields, **(typed or {})})
    except ValidationError as error:
        raise UserError("\n".join(_in_words(details, origin) for details in error.errors())) from error
    found = [*_contradictions(sweep), *(_not_in_study(sweep) if in_study else _only_in_study(sweep))]
    if mistakes := [f"{origin}: {mistake}" for mistake in found]:
        raise UserError("\n".join(mistakes))
    return sweep


def _contradictions(sweep: Sweep) -> list[str]:
    mistakes = []
    if bool(sweep.grid) == bool(sweep.ranges):
        mistakes.append(
            "nothing is varied; give a grid, or ranges" if not sweep.grid else "a grid or ranges, not both"
        )
    for key, values in sweep.grid.items():
        if not values:
            mistakes.append(f"grid of {key}: empty; give at least one value")
        twice = [value for number, value in enumerate(values) if value in values[:number]]
        mistakes += [f"grid of {key}: {shown(value)} stands there twice" for value in twice[:1]]
    if sweep.ranges and sweep.num_trials is None:
        mistakes.append("num_trials: must be given with ranges, how many points are drawn")
    if sweep.grid and sweep.num_trials is not None:
        mistakes.append("num_trials: only with ranges; a grid has all its combinations")
    if sweep.duration_steps is not None and sweep.duration_epochs is not None:
        mistakes.append("duration_steps and duration_epochs say the same; give one of them")
    for key, found in sweep.ranges.items():
        mistakes += [f"ranges of {key}: {mistake}" for mistake in _wrong_range(found)]
    return mistakes


def _not_in_study(sweep: Sweep) -> list[str]:
    mistakes = []
    if sweep.halving is not None:
        mistakes.append("halving: not with --storage, where pruning=dict(kind='halving') does that")
    if sweep.sampler is not None and sweep.grid:
        mistakes.append("sampler: only with ranges; a grid has all its combinations")
    pruning = sweep.pruning
    for name in ("keep", "every_evaluations"):
        if pruning is not None and pruning.kind != "percentile" and getattr(pruning, name) is not None:
            mistakes.append(f"pruning.{name}: only of kind 'percentile'")
    return mistakes


def _only_in_study(sweep: Sweep) -> list[str]:
    found = [name for name in ("sampler", "pruning") if getattr(sweep, name) is not None]
    return [f"{name}: only with --storage, which keeps the sweep in a study" for name in found]


def _wrong_range(found: Range) -> list[str]:
    if len(found.kinds) != 1:
        return [f"must be one of {', '.join(Range.model_fields)}"]
    (kind,) = found.kinds
    if kind == "choice":
        return [] if found.choice else ["choice has no values"]
    low, high = getattr(found, kind)
    if low > high:
        return [f"{kind} goes from {low} down to {high}; the smaller number comes first"]
    if math.isinf(high - low):
        return [f"{kind} goes from {low} to {high}; no number is as large as what lies between them"]
    return [f"log_uniform from {low}: must be more than 0"] if kind == "log_uniform" and low <= 0 else []


def _in_words(details: Any, origin: str) -> str:
    """A mistake that pydantic found."""
    place = [str(part) for part in details["loc"]]
    if details["type"] == "extra_forbidden":
        inner = {"ranges": Range, "halving": Halving, "pruning": Pruning}
        known = (inner[place[0]] if len(place) > 1 else Sweep).model_fields
        near = nearest(place[-1], known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
        return f"{origin}: {'.'.join(place)}: no such field; {hint}"
    if details["type"] == "missing":
        return f"{origin}: {'.'.join(place)}: must be given"
    return f"{origin}: {'.'.join(place)} = {shown(details['input'])}: {details['msg']}"
