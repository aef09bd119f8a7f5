"""Points drawn from ranges: at random, or as a study's sampler suggests them."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnn_jax.sweeping.definition import Range

if TYPE_CHECKING:
    from optuna.trial import Trial

DIGITS = 5

Point = dict[str, Any]


def draw(ranges: Mapping[str, Range], number: int, seed: int) -> list[Point]:
    """So many points, each with a value for every key; the first ones do not depend on how many there are."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    distributions = {key: _distribution(found) for key, found in ranges.items()}
    drawn = (study.ask(distributions).params for _ in range(number))
    return [{key: _value(found, point[key]) for key, found in ranges.items()} for point in drawn]


def suggest(trial: "Trial", ranges: Mapping[str, Range]) -> Point:
    """The point that a trial's sampler suggests; the same again for a trial that has one."""
    point = {}
    for key, found in ranges.items():
        if found.choice is not None:  # without an order, unlike their places
            labels = [json.dumps(value) for value in found.choice]
            point[key] = found.choice[labels.index(trial.suggest_categorical(key, labels))]
        elif found.integer is not None:
            point[key] = trial.suggest_int(key, *found.integer)
        else:
            low, high = found.uniform or found.log_uniform or (0.0, 0.0)
            point[key] = _value(found, trial.suggest_float(key, low, high, log=found.log_uniform is not None))
    return point


def _value(found: Range, drawn: Any) -> Any:
    """What is drawn as it is used: numbers of few digits, which can be read and typed."""
    if found.choice is not None:  # Optuna draws places, since its own choices may be of few types only
        return found.choice[drawn]
    if found.integer is not None:
        return drawn
    low, high = found.uniform or found.log_uniform or (drawn, drawn)
    return min(max(float(f"{drawn:.{DIGITS}g}"), low), high)


def _distribution(found: Range) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    if found.choice is not None:
        return IntDistribution(0, len(found.choice) - 1)
    if found.integer is not None:
        return IntDistribution(*found.integer)
    low, high = found.uniform or found.log_uniform or (0.0, 0.0)
    return FloatDistribution(low, high, log=found.log_uniform is not None)
