"""The adding problem: two marked numbers, one in each half, and their sum."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from building import make_task

from rnn_jax.tasks import adding
from rnn_jax.tasks.task import Batch

COUNT = 1_000
COUNTS = {"train": COUNT, "validation": 50, "test": 30}


def build() -> Any:
    return make_task({"kind": "numbers"}, COUNTS, 200, name="adding", time_steps=7)


def test_one_number_of_each_half_is_marked_and_added() -> None:
    task = build()
    fetch = jax.jit(lambda numbers, indices: task.fetch({"numbers": numbers}, indices, None))
    batch = fetch(jnp.arange(COUNT), jnp.arange(COUNT))
    numbers, marks = np.asarray(batch.inputs[:, :, 0]), np.asarray(batch.inputs[:, :, 1])
    assert batch.inputs.shape == (COUNT, 7, 2)
    assert set(np.unique(marks)) == {0, 1}
    assert (marks[:, :3].sum(axis=1) == 1).all()
    assert (marks[:, 3:].sum(axis=1) == 1).all()
    assert (marks.sum(axis=0) > 100).all()
    np.testing.assert_allclose(batch.targets[:, 0], (numbers * marks).sum(axis=1), rtol=1e-6)
    assert 0 <= numbers.min() < numbers.max() < 1
    # The variance of a sum of two uniform numbers.
    np.testing.assert_allclose(np.mean((np.asarray(batch.targets) - 1) ** 2), 1 / 6, rtol=0.1)
    assert dict(task.spec) == {"input_size": 2, "time_steps": 7, "output_size": 1, "head": "sequence"}

    # An example depends on its number alone, not on its place in the data or the batch.
    moved = fetch(jnp.arange(COUNT)[::-1], jnp.where(jnp.arange(COUNT) < 2, jnp.arange(COUNT), -1))
    np.testing.assert_array_equal(moved.inputs[:2], batch.inputs[-2:][::-1])
    assert moved.weights.tolist() == [1, 1] + [0] * (COUNT - 2)


def test_the_criterion_is_that_of_hochreiter_and_schmidhuber() -> None:
    """An error below 0.04 of 0.5 + (X1 + X2) / 4, where X = 2 x - 1 for our numbers x."""
    random = np.random.default_rng(0)
    numbers, errors = random.random((400, 2)), random.uniform(-0.2, 0.2, 400)
    sums = numbers.sum(axis=1)
    theirs = 0.5 + ((2 * numbers - 1).sum(axis=1)) / 4
    their_outputs = 0.5 + (2 * (sums + errors) - 2) / 4
    batch = Batch(jnp.zeros((400, 1, 2)), jnp.asarray(sums[:, None], jnp.float32), weights=jnp.ones(400))
    outputs = jnp.asarray((sums + errors)[:, None], jnp.float32)
    correct = float(adding.squared_error(outputs, batch, {})[2]["accuracy"][0])
    assert correct == (np.abs(their_outputs - theirs) < 0.04).sum()


def test_loss_and_accuracy_count_real_rows() -> None:
    outputs, targets = jnp.array([[1.0], [2.03], [5.0]]), jnp.array([[1.5], [2.0], [0.0]])
    batch = Batch(jnp.zeros((3, 1, 2)), targets, weights=jnp.array([1.0, 1.0, 0.0]))
    total, count, metrics = adding.squared_error(outputs, batch, {})
    np.testing.assert_allclose([total, count], [0.25 + 0.03**2, 2], rtol=1e-4)
    assert [float(part) for part in metrics["accuracy"]] == [1, 2]
