"""Points drawn from ranges. Optuna is used here and nowhere else."""

from collections.abc import Mapping
from typing import Any

from rnn_jax.sweeping.definition import Range

DIGITS = 5


def draw(ranges: Mapping[str, Range], number: int, seed: int) -> list[dict[str, Any]]:
    """So many points, each with a value for every key; the first ones do not depend on how many there are."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    distributions = {key: _distribution(found, optuna) for key, found in ranges.items()}
    drawn = (study.ask(distributions).params for _ in range(number))
    return [{key: _value(found, point[key]) for key, found in ranges.items()} for point in drawn]


def _value(found: Range, drawn: Any) -> Any:
    """What is drawn as it is used: numbers of few digits, which can be read and typed."""
    if found.choice is not None:  # Optuna draws places, since its own choices may be of few types only
        return found.choice[drawn]
    if found.integer is not None:
        return drawn
    low, high = found.uniform or found.log_uniform or (drawn, drawn)
    return min(max(float(f"{drawn:.{DIGITS}g}"), low), high)


def _distribution(found: Range, optuna: Any) -> Any:
    kinds = optuna.distributions
    if found.choice is not None:
        return kinds.IntDistribution(0, len(found.choice) - 1)
    if found.integer is not None:
        return kinds.IntDistribution(*found.integer)
    low, high = found.uniform or found.log_uniform or (0.0, 0.0)
    return kinds.FloatDistribution(low, high, log=found.log_uniform is not None)
