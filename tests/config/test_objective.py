"""The objective: what is better, and its JSON form."""

import json
import math
from typing import Any

import pytest

from rnn_jax.config.objective import Objective

ACCURACY, F1, LOSS = Objective("accuracy", "max"), Objective("f1", "max"), Objective("loss", "min")


@pytest.mark.parametrize(
    ("objective", "new", "old", "better"),
    [
        (ACCURACY, 0.9, 0.8, True),
        (ACCURACY, 0.8, 0.9, False),
        (F1, 0.9, 0.8, True),
        (LOSS, 0.8, 0.9, True),
        (LOSS, 0.9, 0.8, False),
    ],
)
def test_the_direction_decides_which_value_is_better(
    objective: Objective, new: float, old: float, better: bool
) -> None:
    assert objective.is_better(new, old) is better
    assert objective.is_better(new, None)
    assert (objective.sort_key(new) < objective.sort_key(old)) is better
    assert objective.best([new, old, None, math.nan]) == (new if better else old)


@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_ties_and_values_that_are_not_finite_are_never_better(objective: Objective) -> None:
    assert not objective.is_better(0.5, 0.5)
    for value in (None, math.nan, math.inf, -math.inf):
        assert not objective.is_better(value, None)
        assert not objective.is_better(value, 0.5)
        assert objective.is_better(0.5, value)
        assert objective.best([value]) is None
    assert objective.best([]) is None


def test_an_objective_survives_json() -> None:
    assert F1.to_json() == [{"metric": "f1", "direction": "max"}]
    assert Objective.from_json(json.loads(json.dumps(LOSS.to_json()))) == LOSS


@pytest.mark.parametrize(
    "content",
    [
        None,
        "loss",
        [],
        ["loss"],
        [{"metric": "loss"}],
        [{"metric": "loss", "direction": "up"}],
        [{"metric": "loss", "direction": ["min"]}],
        [{"metric": 3, "direction": "min"}],
        [{"metric": "loss", "direction": "min"}, {"metric": "accuracy", "direction": "max"}],
    ],
)
def test_malformed_json_raises_value_error(content: Any) -> None:
    with pytest.raises(ValueError, match="metric"):
        Objective.from_json(content)
