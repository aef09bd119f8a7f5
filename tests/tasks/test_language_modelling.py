"""Language modelling: streams, windows, and metrics."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from building import make_task as unset
from hypothesis import given
from hypothesis import strategies as st

from rnn_jax import tasks
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks.language_modelling import EVALUATED_TOKENS, Streams, metrics_of_loss
from rnn_jax.tasks.task import Batch

SPEC = {"kind": "text", "unit": "word", "vocabulary": 11}


def build(tokens: int = 41, rows: int = 2, **changes: Any) -> tasks.Task:
    text = np.arange(tokens, dtype=np.uint16) % 11
    splits = {"train": {"tokens": text}, "validation": {"tokens": text[:20]}, "test": {"tokens": text[5:]}}
    keys = {"bptt_steps": 4, "eval_batch_size": 1, "loss_per": "token"} | changes
    return unset(SPEC, splits, rows, name="language_modelling", **keys)


def test_the_example_in_the_module_docstring() -> None:
    streams = Streams(np.arange(11), rows=2, steps=3)
    assert streams.windows == 2
    assert streams.window(0).tolist() == [[1, 0, 1, 2, 3], [1, 5, 6, 7, 8]]
    assert streams.window(1).tolist() == [[0, 3, 4, 5, -1], [0, 8, 9, 10, -1]]


@given(tokens=st.integers(2, 60), rows=st.integers(1, 7), steps=st.integers(1, 9))
def test_every_token_but_the_first_is_a_target_once(tokens: int, rows: int, steps: int) -> None:
    streams = Streams(np.arange(tokens), rows, steps)
    seen = []
    for number in range(streams.windows):
        fresh, window = np.split(streams.window(number), [1], axis=1)
        assert (fresh == (number == 0)).all()
        inputs, targets = window[:, :-1], window[:, 1:]
        real = targets >= 0
        assert (inputs[real] + 1 == targets[real]).all()
        assert (np.diff(real.astype(int), axis=1) <= 0).all()  # padding is at the end
        seen += targets[real].tolist()
    assert sorted(seen) == list(range(1, tokens))


def test_a_window_continues_the_previous_one() -> None:
    streams = Streams(np.arange(100), rows=3, steps=7)
    for number in range(1, streams.windows - 1):
        before, after = streams.window(number - 1), streams.window(number)
        np.testing.assert_array_equal(after[:, 1], before[:, -1])


def test_training_repeats_and_an_evaluation_reads_long_windows() -> None:
    task = build()
    assert task.batches["train"] == 5
    np.testing.assert_array_equal(task.select("train", 0, 7), task.select("train", 3, 2))
    assert task.select("train", 0, 5)[:, 0].tolist() == [1, 1]
    assert task.select("validation", 0, 0).shape == (1, 1 + EVALUATED_TOKENS + 1)
    assert task.batches["validation"] == 1
    assert task.carry_rows == {"train": 2, "validation": 1, "test": 1}


def test_padding_has_weight_zero() -> None:
    task = build(tokens=12)
    last = task.fetch(
        {}, jnp.asarray(np.concatenate([task.select("train", 0, 1), np.full((1, 6), -1)])), None
    )
    assert last.weights.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert last.fresh is not None
    assert last.fresh.tolist() == [False] * 3
    assert int(last.inputs.min()) >= 0
    assert int(last.targets[1, 1]) == 0  # the last token, number 11 of 11


@pytest.mark.parametrize(("loss_per", "count"), [("token", 3), ("row", 2)])
def test_the_optimized_loss_is_a_mean_over_tokens_or_rows(loss_per: str, count: int) -> None:
    task = build(loss_per=loss_per)
    logits = jnp.log(jnp.array([[[0.5, 0.25, 0.25]] * 2, [[0.5, 0.25, 0.25]] * 2, [[jnp.inf] * 3] * 2]))
    logits = logits.at[2].set(7.0)
    weights = jnp.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    batch = Batch(jnp.zeros((3, 2), int), jnp.array([[0, 1], [1, 2], [0, 0]]), weights)
    total, found, metrics = task.loss(logits, batch, {})
    assert float(total) == pytest.approx(math.log(2) + 2 * math.log(4))
    assert float(found) == count
    assert float(metrics["loss"][1]) == 3


def test_metrics_of_the_mean_loss() -> None:
    assert build().finalize({"loss": math.log(50)}) == pytest.approx({"loss": math.log(50), "perplexity": 50})
    assert metrics_of_loss("character", 2 * math.log(2))["bits_per_character"] == pytest.approx(2)
    assert metrics_of_loss("byte", math.log(2))["bits_per_byte"] == pytest.approx(1)
    assert metrics_of_loss("piece", 0.0)["perplexity"] == 1
    assert metrics_of_loss("word", 1e9)["perplexity"] == math.inf
    assert math.isnan(metrics_of_loss("word", math.nan)["perplexity"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rows": 11},
            "dataset.batch_size = 11: the training text of 41 tokens is too short .*; set .* to at most 10",
        ),
        ({"tokens": 30, "bptt_steps": 32}, "set task.bptt_steps to at most 29"),
        ({"tokens": 6}, "the test text has 1 tokens: must have at least 2"),
        (
            {"eval_batch_size": 20},
            "task.eval_batch_size = 20: must be at most 19, the number of targets in the validation text",
        ),
    ],
)
def test_a_text_that_is_too_short_is_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(**changes)
    build(rows=10)
