"""What the loop decides by."""

import json
import math

import pytest

from rnn_jax.config.objective import Objective
from rnn_jax.training.progress import Progress

ACCURACY, LOSS = Objective.of("accuracy", "max"), Objective.of("loss", "min")


def test_it_comes_back_through_json() -> None:
    progress = Progress(devices=2, best_step=3, best={"loss": 0.1 + 0.2, "perplexity": None}, restores=1)
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress


@pytest.mark.parametrize(
    "changes", [{"devices": "1"}, {"best": []}, {"best": {"loss": "low"}}, {"best_step": 1.5}, {"more": 1}]
)
def test_other_fields_are_refused(changes: dict) -> None:
    with pytest.raises(TypeError):
        Progress.from_json(Progress(devices=1).to_json() | changes)


def evaluated(values: list[float], objective: Objective) -> Progress:
    progress = Progress(devices=1)
    for step, value in enumerate(values, start=1):
        progress = progress.evaluated(step, {objective.metric: value}, objective)
    return progress


def test_a_tie_keeps_the_earlier_best() -> None:
    assert evaluated([0.5, 0.7, 0.7, 0.6], ACCURACY).best_step == 2
    assert evaluated([0.7, 0.5, 0.5, 0.6], LOSS).best_step == 2
    assert evaluated([0.7, 0.5, 0.5, 0.6], LOSS).evaluations_since_best == 2


def test_what_is_not_finite_is_never_the_best() -> None:
    assert evaluated([math.nan, math.inf], ACCURACY).best_step is None
    assert evaluated([math.nan, 0.1, math.nan], ACCURACY).best_step == 2
    assert evaluated([-math.inf, 0.1], LOSS).best_step == 2
    assert evaluated([0.1, math.nan], LOSS).figure is None
    assert evaluated([math.nan, math.nan], LOSS).evaluations_since_best == 2
