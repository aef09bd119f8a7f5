"""`train.objective` chooses the metrics that decide."""

import json
import re
from typing import Any

import pytest
from tiny import build_tiny, build_tiny_language_model

from rnn_jax.config.schema import validate
from rnn_jax.runtime.errors import UserError
from rnn_jax.training.build import build


@pytest.mark.parametrize(
    ("setting", "criteria"),
    [
        (None, [("accuracy", "max"), ("loss", "min")]),
        ("accuracy", [("accuracy", "max"), ("loss", "min")]),
        ("loss", [("loss", "min")]),
        ("macro_f1", [("macro_f1", "max"), ("loss", "min")]),
        ("macro_f1, accuracy:max", [("macro_f1", "max"), ("accuracy", "max")]),
        (["macro_f1", "loss"], [("macro_f1", "max"), ("loss", "min")]),
        ([("loss", "min"), ("accuracy", "max")], [("loss", "min"), ("accuracy", "max")]),
    ],
)
def test_train_objective_chooses_the_metrics_that_decide(setting: Any, criteria: list) -> None:
    config = build_tiny({"train.objective": setting})
    assert build(config).task.objective.criteria == tuple(criteria)
    again, _ = validate(json.loads(json.dumps(config.model_dump())))  # as config.json has it
    assert again == config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("los", "train.objective = los: the task does not evaluate los; did you mean loss?"),
        ("perplexity", "does not evaluate perplexity; it evaluates loss, accuracy"),
        ("loss:max", "train.objective = loss:max: loss is best at its minimum; write loss:min"),
        ("loss:up", "'up' is not max or min"),
        ("loss, loss", "a metric occurs twice"),
        ("loss,", "must be a metric, or several: `accuracy, loss` or `accuracy:max, loss:min`"),
        ([], "must be a metric, or several"),
        (3, "train.objective = 3: must be text, or None"),
    ],
)
def test_wrong_objectives_are_errors(setting: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        build(build_tiny({"train.objective": setting}))


@pytest.mark.parametrize(
    ("setting", "criteria"),
    [
        (None, [("bits_per_character", "min")]),
        ("loss", [("loss", "min")]),
        ("bits_per_character", [("bits_per_character", "min")]),
    ],
)
def test_a_task_with_one_metric_keeps_it(setting: str | None, criteria: list) -> None:
    config = build_tiny_language_model({"train.objective": setting})
    assert build(config).task.objective.criteria == tuple(criteria)
