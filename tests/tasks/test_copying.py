"""The copying problem: symbols, a delay, a recall marker, and the symbols again."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from building import make_task

from rnn_jax.tasks.copying import cross_entropy, lay_out
from rnn_jax.tasks.task import Batch

COUNT = 500
COUNTS = {"train": COUNT, "validation": 50, "test": 30}


def build() -> Any:
    own: dict[str, Any] = {"name": "copying", "delay_steps": 4, "copied_symbols": 3, "alphabet_size": 5}
    return make_task({"kind": "numbers"}, COUNTS, 200, **own)


def test_the_example_in_the_module_docstring() -> None:
    inputs, targets = lay_out(jnp.array([2, 4, 1]), 2, 4)
    assert inputs.tolist() == [2, 4, 1, 0, 5, 0, 0, 0]
    assert targets.tolist() == [0, 0, 0, 0, 0, 2, 4, 1]


@pytest.mark.parametrize("delay", [1, 2, 100])
def test_the_layout_is_that_of_arjovsky_et_al(delay: int) -> None:
    """Ten symbols, T - 1 blanks a8, the delimiter a9, ten blanks; T + 10 blanks, then the ten symbols."""
    symbols = np.random.default_rng(delay).integers(1, 9, size=10).tolist()
    inputs, targets = lay_out(jnp.array(symbols), delay, 8)
    assert inputs.tolist() == symbols + [0] * (delay - 1) + [9] + [0] * 10
    assert targets.tolist() == [0] * (delay + 10) + symbols


def test_examples_are_drawn_from_their_numbers() -> None:
    task = build()
    fetch = jax.jit(lambda numbers, indices: task.fetch({"numbers": numbers}, indices, None))
    batch = fetch(jnp.arange(COUNT), jnp.arange(COUNT))
    symbols = np.asarray(batch.inputs[:, :3])
    np.testing.assert_array_equal(batch.targets[:, -3:], symbols)
    assert set(np.unique(symbols)) == {1, 2, 3, 4, 5}
    assert task.spec["time_steps"] == batch.inputs.shape[1] == 10
    assert (task.spec["vocabulary"], task.spec["output_size"]) == (7, 6)
    moved = fetch(jnp.arange(COUNT)[::-1], jnp.where(jnp.arange(COUNT) < 1, 492, -1))
    np.testing.assert_array_equal(moved.inputs[0], batch.inputs[7])
    assert moved.weights.tolist() == [1] + [0] * (COUNT - 1)

    # A model without memory has the loss that the module docstring gives.
    probabilities = np.full((COUNT, 10, 6), 1e-9)
    probabilities[:, :7, 0] = 1
    probabilities[:, 7:, 1:] = 1 / 5
    total, count, metrics = jax.jit(task.loss)(np.log(probabilities).astype(np.float32), batch, {})
    np.testing.assert_allclose(total / count, 3 * np.log(5) / 10, rtol=1e-5)
    assert 0.1 < float(metrics["accuracy"][0] / metrics["accuracy"][1]) < 0.3


def test_accuracy_counts_the_copied_symbols_of_real_rows() -> None:
    targets = jnp.array([[0, 0, 2, 1], [0, 0, 1, 1]])
    logits = 9.0 * jax.nn.one_hot(jnp.array([[0, 1, 2, 2], [0, 0, 0, 0]]), 3)
    batch = Batch(targets, targets, weights=jnp.array([1.0, 0.0]))
    _, count, metrics = cross_entropy(logits, batch, {}, 2)
    assert float(count) == 4
    assert [float(part) for part in metrics["accuracy"]] == [1, 2]
