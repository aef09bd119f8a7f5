"""Sampling points from ranges: at random, or by the sampler of a study."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnn_jax.sweeping.definition import Range, Sweep

if TYPE_CHECKING:
    from optuna.trial import Trial

SIGNIFICANT_DIGITS = 5

Point = dict[str, Any]
"""Values of the varied keys."""


def sample(ranges: Mapping[str, Range], num_points: int, seed: int) -> list[Point]:
    """Return random points. The first ones do not depend on `num_points`."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    distributions = {key: _distribution(found) for key, found in ranges.items()}
    sampled = (study.ask(distributions).params for _ in range(num_points))
    return [
        # Optuna samples the index of a choice, since its own choices are limited to a few types.
        {
            key: found.choice[point[key]] if found.choice else _round(found, point[key])
            for key, found in ranges.items()
        }
        for point in sampled
    ]


def build_sampler(sweep: Sweep, number: int) -> Any:
    """Return the sampler of trial `number` of a study."""
    from optuna import samplers

    seed = (sweep.sampler_seed * 1_000_003 + number) % 2**32
    if sweep.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    # `multivariate` would sample before the trial's number is known. With `constant_liar`, running trials
    # count as bad ones: otherwise all workers would sample alike.
    return samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True)


def suggest(trial: "Trial", ranges: Mapping[str, Range]) -> Point:
    """Return the point that a trial's sampler suggests; a requeued trial keeps its point."""
    point = {}
    for key, found in ranges.items():
        if found.choice is not None:  # categorical, as indices would be ordered
            labels = [json.dumps(value) for value in found.choice]
            point[key] = found.choice[labels.index(trial.suggest_categorical(key, labels))]
        elif found.integer is not None:
            point[key] = trial.suggest_int(key, *found.integer)
        else:
            log = found.log_uniform is not None
            point[key] = _round(found, trial.suggest_float(key, *found.extremes, log=log))
    return point


def _round(found: Range, value: Any) -> Any:
    """Round a float to a few digits, which can be read and typed."""
    if found.integer is not None:
        return value
    low, high = found.extremes
    return min(max(float(f"{value:.{SIGNIFICANT_DIGITS}g}"), low), high)


def _distribution(found: Range) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    if found.choice is not None:
        return IntDistribution(0, len(found.choice) - 1)
    if found.integer is not None:
        return IntDistribution(*found.integer)
    return FloatDistribution(*found.extremes, log=found.log_uniform is not None)
