"""Sampling points from ranges: at random, or by the sampler of a study."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rnn_jax.sweeping.definition import Range, Sweep

if TYPE_CHECKING:
    from optuna.trial import Trial

SIGNIFICANT_DIGITS = 5

Point = dict[str, Any]  # values of the varied keys


def sample(ranges: Mapping[str, Range], num_points: int, seed: int) -> list[Point]:
    """Return random points. The first ones do not depend on `num_points`."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=_rounding(optuna.samplers.RandomSampler)(seed=seed))
    return [suggest(study.ask(), ranges, choose_index=True) for _ in range(num_points)]


def build_sampler(sweep: Sweep, number: int) -> Any:
    """Return the sampler of trial `number` of a study."""
    from optuna import samplers

    seed = (sweep.sampler_seed * 1_000_003 + number) % 2**32
    if sweep.sampler == "random":
        return _rounding(samplers.RandomSampler)(seed=seed)
    # `multivariate` would sample before the trial's number is known. With `constant_liar`, running trials
    # count as bad ones: otherwise all workers would sample alike.
    return _rounding(samplers.TPESampler)(seed=seed, multivariate=False, constant_liar=True)


def _rounding(sampler: Any) -> Any:
    """Return a class of samplers that draw numbers of a few digits, which can be read and typed.

    So a trial stores the number that it trains with, and the sampler learns from that one.
    """
    from optuna.distributions import FloatDistribution

    class Rounding(sampler):
        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            value = super().sample_independent(study, trial, name, distribution)
            if not isinstance(distribution, FloatDistribution):
                return value
            rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
            return min(max(rounded, distribution.low), distribution.high)

    return Rounding


def suggest(trial: "Trial", ranges: Mapping[str, Range], *, choose_index: bool = False) -> Point:
    """Return the point that a trial's sampler suggests; a requeued trial keeps its point.

    Of a choice it suggests the value, since indices would be ordered, or the index.
    """
    point = {}
    for key, found in ranges.items():
        if found.choice is not None:
            values = storable(found.choice)
            if choose_index:
                index = trial.suggest_int(key, 0, len(values) - 1)
            else:
                index = values.index(trial.suggest_categorical(key, values))
            point[key] = found.choice[index]
        elif found.integer is not None:
            point[key] = trial.suggest_int(key, *found.integer)
        else:
            low, high = found.extremes
            point[key] = trial.suggest_float(key, low, high, log=found.log_uniform is not None)
    return point


def storable(choice: Sequence[Any]) -> list[Any]:
    """Return the values of a choice as a study stores them: as they are, or as JSON if one is a list."""
    is_plain = all(value is None or isinstance(value, str | int | float) for value in choice)
    is_distinct = is_plain and len(set(choice)) == len(choice)  # Optuna takes 1, 1.0 and True for the same
    return list(choice) if is_distinct else [json.dumps(value) for value in choice]
