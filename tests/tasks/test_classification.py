"""Classification of images that are read step by step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from building import make_task
from sklearn.utils.class_weight import compute_class_weight

from rnn_jax import tasks
from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks.classification import cross_entropy, shift, weights_of_classes
from rnn_jax.tasks.task import Batch

SPEC = {"kind": "image", "height": 2, "width": 3, "classes": 4, "maximum": 255}


def build(**changes: Any) -> tasks.Task:
    counts = {"train": 10, "validation": 5, "test": 3}
    settings: dict[str, Any] = {"name": "classification", "reading": "rows", "shift_pixels": 0}
    return make_task(SPEC, counts, 4, **settings | changes)


def test_time_steps_are_rows() -> None:
    task = build()
    data = {"inputs": jnp.array([[[0, 255, 0], [51, 0, 255]]], jnp.uint8), "targets": jnp.array([3])}
    batch = task.fetch(data, jnp.array([0, -1]), None)
    np.testing.assert_allclose(batch.inputs[0], [[0, 1, 0], [0.2, 0, 1]], rtol=1e-6)
    assert batch.targets[0] == 3
    assert batch.weights.tolist() == [1, 0]
    assert dict(task.spec) == {"input_size": 3, "time_steps": 2, "output_size": 4, "head": "sequence"}
    assert task.objective == Objective("accuracy", "max", ties=(("loss", "min"),))


def test_loss_and_accuracy_by_hand() -> None:
    logits = jnp.log(jnp.array([[0.7, 0.1, 0.1, 0.1], [0.2, 0.4, 0.2, 0.2], [0.1, 0.1, 0.1, 0.7]]))
    batch = Batch(jnp.zeros(()), jnp.array([0, 2, 0]), jnp.array([1.0, 1.0, 0.0]))
    total, count, metrics = cross_entropy(logits, batch, {})
    np.testing.assert_allclose(total, -np.log(0.7) - np.log(0.2), rtol=1e-6)
    assert count == 2
    assert metrics["accuracy"][0] == 1
    assert metrics["accuracy"][1] == 2


def test_label_smoothing_changes_the_optimized_loss_alone() -> None:
    logits = jnp.log(jnp.array([[0.7, 0.1, 0.1, 0.1]], jnp.float32))
    batch = Batch(jnp.zeros(()), jnp.array([0]), jnp.array([1.0], jnp.float32))
    total, _, metrics = cross_entropy(logits, batch, {"label_smoothing": jnp.float32(0.2)})
    everywhere = -np.log([0.7, 0.1, 0.1, 0.1]).mean()
    np.testing.assert_allclose(total, -0.8 * np.log(0.7) + 0.2 * everywhere, rtol=1e-6)
    np.testing.assert_allclose(metrics["loss"][0], -np.log(0.7), rtol=1e-6)


LOGITS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
TARGETS = np.array([0, 0, 0, 0, 2, 1])
WEIGHTS = np.array([1, 1, 1, 1, 1, 0], np.float32)  # the last row is padding


def weighted_loss(class_weights: np.ndarray, smoothing: float) -> float:
    """The mean that PyTorch's documentation of CrossEntropyLoss defines, term by term."""
    exponentials = np.exp(LOGITS.astype(float))
    logs = np.log(exponentials / exponentials.sum(axis=1, keepdims=True))
    total = 0.0
    for row in range(5):
        target = np.full(3, smoothing / 3)
        target[TARGETS[row]] += 1 - smoothing
        total -= sum(class_weights[c] * logs[row, c] * target[c] for c in range(3))
    return float(total / sum(class_weights[TARGETS[row]] for row in range(5)))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("class_weights", [np.array([0.5, 2.0, 4.0]), np.ones(3)])
def test_class_weights_are_those_of_pytorch(class_weights: np.ndarray, smoothing: float) -> None:
    batch = Batch(jnp.zeros(()), jnp.asarray(TARGETS), jnp.asarray(WEIGHTS))
    hyper = {"label_smoothing": jnp.float32(smoothing)} if smoothing else {}
    given = class_weights.astype(np.float32)
    total, count, metrics = cross_entropy(jnp.asarray(LOGITS), batch, hyper, class_weights=given)
    np.testing.assert_allclose(total / count, weighted_loss(class_weights, smoothing), rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"][0] / metrics["loss"][1], weighted_loss(np.ones(3), 0.0), 1e-5)


def test_balanced_class_weights_are_those_of_scikit_learn() -> None:
    labels = np.repeat([0, 1, 2], [30, 6, 4])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(np.array(weights_of_classes("balanced", labels, 3)), expected, rtol=1e-6)
    absent = weights_of_classes("balanced", np.array([0, 0, 2]), 3)
    assert np.array(absent).tolist() == [0.5, 1.0, 1.0]
    assert weights_of_classes(None, labels, 3) is None
    spec = {"kind": "labelled_text", "unit": "plain_word", "vocabulary": 10, "classes": 3}
    split = {"lengths": np.ones(40, np.int32), "targets": labels, "steps": np.zeros(40, np.int32)}
    keys: dict[str, Any] = {"name": "text_classification", "buckets": 1, "class_weights": "balanced"}
    task = make_task(spec, {"train": split, "test": split}, 4, **keys)
    batch = Batch(jnp.zeros(()), jnp.array([1]), jnp.ones(1))
    np.testing.assert_allclose(task.loss(jnp.zeros((1, 3)), batch, {})[1], expected[1], rtol=1e-6)


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, 0.0, 2.0], [1.0, -1.0, 2.0], [1.0] * 4])
def test_wrong_class_weights_are_an_error(weights: list[float]) -> None:
    with pytest.raises(
        UserError, match=r"class_weights = \[1.*: must be 3 numbers greater than 0, one for each"
    ):
        weights_of_classes(weights, None, 3)


def test_shift_moves_images_independently() -> None:
    images = jnp.zeros((200, 7, 7), jnp.uint8).at[:, 3, 3].set(9)
    moved = np.asarray(shift(images, jax.random.split(jax.random.key(0), 200), 2))
    rows, columns = np.argwhere(moved == 9)[:, 1:].T
    assert len(rows) == 200
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        (r, c) for r in range(1, 6) for c in range(1, 6)
    }
    corner = jnp.zeros((50, 7, 7), jnp.uint8).at[:, 0, 0].set(9)
    assert 0 < (np.asarray(shift(corner, jax.random.split(jax.random.key(1), 50), 2)) == 9).sum() < 50


@pytest.mark.parametrize("keys", [None, "keys"])
def test_only_training_images_are_shifted(keys: str | None) -> None:
    task = build(shift_pixels=1)
    data = {
        "inputs": jnp.arange(60, dtype=jnp.uint8).reshape(10, 2, 3),
        "targets": jnp.zeros(10, jnp.int32),
    }
    drawn = None if keys is None else jax.random.split(jax.random.key(3), 10)
    batch = task.fetch(data, jnp.arange(10), drawn)
    same = np.allclose(batch.inputs * 255, data["inputs"].astype(jnp.float32), atol=1e-4)
    assert same == (keys is None)


def test_time_steps_are_pixels() -> None:
    task = build(reading="pixels")
    data = {"inputs": jnp.array([[[0, 255, 0], [51, 0, 255]]], jnp.uint8), "targets": jnp.array([3])}
    inputs = task.fetch(data, jnp.array([0]), None).inputs
    np.testing.assert_allclose(inputs[0, :, 0], [0, 1, 0, 0.2, 0, 1], rtol=1e-6)
    assert (task.spec["input_size"], task.spec["time_steps"]) == (1, 6)


def test_a_permutation_depends_on_its_seed_alone() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    data = {"inputs": jnp.asarray(images), "targets": jnp.array([0, 1])}

    def orders(seed: int) -> np.ndarray:
        inputs = build(reading="pixels", permutation_seed=seed).fetch(data, jnp.array([0, 1]), None).inputs
        return np.rint(np.asarray(inputs[:, :, 0]) * 255).astype(int) - [[0], [6]]

    first, second = orders(1)
    np.testing.assert_array_equal(first, second)
    assert sorted(first) == list(range(6)) != list(first)
    np.testing.assert_array_equal(orders(1)[0], first)
    assert any((orders(seed)[0] != first).any() for seed in (2, 3))


def test_shift_pixels_must_be_smaller_than_the_image() -> None:
    build(shift_pixels=2)
    with pytest.raises(UserError, match=r"task\.shift_pixels = 3: must be less than the height or width"):
        build(shift_pixels=3)
