"""Sampling points from ranges: at random, or by the sampler of a study."""

import json
from collections.abc import Mapping
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
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [suggest(study.ask(), ranges, choose_index=True) for _ in range(num_points)]


def build_sampler(sweep: Sweep, number: int) -> Any:
    """Return the sampler of trial `number` of a study."""
    from optuna import samplers

    seed = (sweep.sampler_seed * 1_000_003 + number) % 2**32
    if sweep.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    # `multivariate` would sample before the trial's number is known. With `constant_liar`, running trials
    # count as bad ones: otherwise all workers would sample alike.
    return samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True)


def suggest(trial: "Trial", ranges: Mapping[str, Range], *, choose_index: bool = False) -> Point:
    """Return the point that a trial's sampler suggests; a requeued trial keeps its point.

    Of a choice it suggests the label, since indices would be ordered, or the index.
    """
    point = {}
    for key, found in ranges.items():
        if found.choice is not None:
            labels = [json.dumps(value) for value in found.choice]
            if choose_index:
                index = trial.suggest_int(key, 0, len(labels) - 1)
            else:
                index = labels.index(trial.suggest_categorical(key, labels))
            point[key] = found.choice[index]
        elif found.integer is not None:
            point[key] = trial.suggest_int(key, *found.integer)
        else:
            low, high = found.extremes
            value = trial.suggest_float(key, low, high, log=found.log_uniform is not None)
            # A few digits can be read and typed.
            point[key] = min(max(float(f"{value:.{SIGNIFICANT_DIGITS}g}"), low), high)
    return point
