"""The adding problem: two marked numbers, one in each half, and their sum."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from building import make_task

from rnn_jax import tasks
from rnn_jax.tasks.regression import squared_error
from rnn_jax.tasks.task import Batch

COUNTS = {"train": 1_000, "validation": 50, "test": 30}


def build(**changes: Any) -> tasks.Task:
    settings: dict[str, Any] = {"name": "adding", "time_steps": 7} | changes
    return make_task({"kind": "numbers"}, COUNTS, 200, **settings)


def test_two_numbers_are_marked_and_added() -> None:
    task = build()
    batch = task.fetch({"numbers": jnp.arange(1_000)}, jnp.arange(1_000), None)
    numbers, marks = np.asarray(batch.inputs[:, :, 0]), np.asarray(batch.inputs[:, :, 1])
    assert batch.inputs.shape == (1_000, 7, 2)
    assert set(np.unique(marks)) == {0, 1}
    assert (marks[:, :3].sum(axis=1) == 1).all()
    assert (marks[:, 3:].sum(axis=1) == 1).all()
    assert (marks.sum(axis=0) > 100).all()
    np.testing.assert_allclose(batch.targets[:, 0], (numbers * marks).sum(axis=1), rtol=1e-6)
    assert 0 <= numbers.min() < numbers.max() < 1
    # Who answers 1 is off by the variance of a sum of two uniform numbers.
    np.testing.assert_allclose(((batch.targets - 1) ** 2).mean(), 1 / 6, rtol=0.1)
    assert dict(task.spec) == {"input_size": 2, "time_steps": 7, "output_size": 1, "head": "last"}


def test_an_example_is_its_numbers_alone() -> None:
    task = build()
    data = {"numbers": jnp.array([5, 9, 5])}
    first = task.fetch(data, jnp.array([0, 1, -1]), None)
    again = task.fetch(data, jnp.array([1, 2]), jax.random.split(jax.random.key(1), 2))
    np.testing.assert_array_equal(first.inputs[0], again.inputs[1])
    np.testing.assert_array_equal(first.inputs[1], again.inputs[0])
    assert (first.inputs[0] != first.inputs[1]).any()
    assert first.weights.tolist() == [1, 1, 0]


def test_squared_errors_count_real_rows() -> None:
    outputs, targets = jnp.array([[1.0], [2.03], [5.0]]), jnp.array([[1.5], [2.0], [0.0]])
    batch = Batch(jnp.zeros((3, 1, 2)), targets, weights=jnp.array([1.0, 1.0, 0.0]))
    total, count, metrics = squared_error(outputs, batch, {})
    np.testing.assert_allclose([total, count], [0.25 + 0.03**2, 2], rtol=1e-4)
    assert [float(part) for part in metrics["accuracy"]] == [1, 2]
