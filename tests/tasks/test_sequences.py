"""Classification and regression of sequences of different lengths."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from building import make_task

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError

LENGTHS = np.array([2, 1, 3], np.int32)
STEPS = np.arange(12, dtype=np.float32).reshape(6, 2)
MEASURED: dict[str, Any] = {"kind": "sequences", "features": 2, "means": [1.0, 2.0], "deviations": [2.0, 4.0]}
LABELLED = MEASURED | {"classes": 3}
REAL = MEASURED | {"outputs": 2, "target_means": [10.0, 0.0], "target_deviations": [5.0, 2.0]}


def arrays(targets: np.ndarray, steps: np.ndarray = STEPS) -> dict[str, np.ndarray]:
    return {"lengths": LENGTHS, "targets": targets, "steps": steps}


def fetch(task: Any, split: dict[str, np.ndarray]) -> Any:
    found = task.fetch(
        {name: jnp.asarray(array) for name, array in split.items()}, task.select("test", 0, 0), None
    )
    order = np.argsort(np.where(np.asarray(found.weights) > 0, np.asarray(found.lengths), 99))
    return found, order


def test_texts_are_padded_tokens() -> None:
    split = arrays(np.array([1, 0, 1], np.int32), np.array([5, 6, 7, 8, 9, 4], np.int32))
    spec = {"kind": "labelled_text", "unit": "plain_word", "vocabulary": 10, "classes": 2}
    task = make_task(spec, {"train": split, "test": split}, 4, name="text_classification", buckets=1)
    assert dict(task.spec) == {"vocabulary": 10, "output_size": 2, "time_steps": 2, "head": "sequence"}
    assert task.objective == Objective("accuracy", "max", ties=(("loss", "min"),))
    batch, order = fetch(task, split)
    assert batch.inputs.shape == (4, 3)
    assert batch.lengths[order].tolist() == [1, 2, 3, 0]
    assert batch.targets[order][:3].tolist() == [0, 1, 1]
    assert batch.weights[order].tolist() == [1, 1, 1, 0]
    read = [
        row[:length].tolist() for row, length in zip(batch.inputs[order], batch.lengths[order], strict=True)
    ]
    assert read == [[7], [5, 6], [8, 9, 4], []]


def test_features_are_standardized() -> None:
    split = arrays(np.array([2, 0, 1], np.int32))
    task = make_task(LABELLED, {"train": split, "test": split}, 3, name="sequence_classification", buckets=1)
    assert dict(task.spec) == {"input_size": 2, "output_size": 3, "time_steps": 2, "head": "sequence"}
    batch, order = fetch(task, split)
    row = order[1]  # the one of two steps: [0, 1] and [2, 3]
    np.testing.assert_allclose(batch.inputs[row, :2], [[-0.5, -0.25], [0.5, 0.25]])


def test_the_loss_is_in_standard_deviations_and_the_metrics_in_units_of_the_data() -> None:
    targets = np.array([[10.0, 0.0], [15.0, 2.0], [20.0, -4.0]], np.float32)
    split = arrays(targets)
    task = make_task(REAL, {"train": split, "test": split}, 3, name="sequence_regression", buckets=1)
    assert task.objective == Objective("loss", "min")
    batch, order = fetch(task, split)
    # Exact but for the first output of the longest row, off by 5, one standard deviation.
    outputs = (np.asarray(batch.targets) - np.array([10, 0], np.float32)) / np.array([5, 2], np.float32)
    outputs[order[2], 0] += 1
    total, count, metrics = task.loss(jnp.asarray(outputs), batch, {})
    assert (float(total), float(count)) == pytest.approx((0.5, 3))
    assert set(metrics) == set(task.metrics)
    means = {name: float(found / number) for name, (found, number) in metrics.items()}
    assert means == pytest.approx(
        {"loss": 0.5 / 3, "mean_squared_error": 12.5 / 3, "mean_absolute_error": 2.5 / 3}
    )


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("sequence_classification", REAL, "needs labels, .* set task.name = sequence_regression"),
        (
            "sequence_regression",
            LABELLED,
            r"needs real numbers, .* save y.astype\(float\), or set task.name = sequence_classification",
        ),
    ],
)
def test_targets_of_the_wrong_kind_are_an_error(name: str, spec: dict[str, Any], message: str) -> None:
    split = arrays(np.array([[0.5, 1.0]] * 3, np.float32))
    with pytest.raises(UserError, match=message):
        make_task(spec, {"train": split, "test": split}, 3, name=name, buckets=1)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([[0], [1], [2]], r"floats, all of them whole: save y.astype\(int\); .* sequence_regression"),
        ([[0, 1], [1, 0], [0, 1]], r"one-hot rows: save y.argmax\(axis=1\); .* sequence_regression"),
    ],
)
def test_labels_that_were_saved_as_floats_are_named(targets: list[list[int]], message: str) -> None:
    split = arrays(np.array(targets, np.float32))
    with pytest.raises(UserError, match=f"needs labels, but the array y of these sequences has {message}"):
        make_task(REAL, {"train": split, "test": split}, 3, name="sequence_classification", buckets=1)
