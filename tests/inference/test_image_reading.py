"""Reading an image row by row."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import build_tiny

from rnn_jax import tasks
from rnn_jax.config.schema import split_hyper
from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.inference.image_reading import ImageReader
from rnn_jax.inference.loading import Trained
from rnn_jax.inference.predictor import Predictor
from rnn_jax.models import build_network

HEIGHT, WIDTH, CLASSES = 6, 5, 4
SPEC = {"kind": "image", "height": HEIGHT, "width": WIDTH, "classes": CLASSES, "maximum": 16}
INFO = DatasetInfo("drawn", SPEC, tuple("abcd"), "dark", None)
LAST_ROWS = np.random.default_rng(5).integers(0, 17, (2, WIDTH)).astype(np.uint8)


def trained(**changes: Any) -> Trained:
    """A network with its initial parameters, with changes of the config by `section__key`."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    config = build_tiny({"model.hidden_size": 7, "task.shift_pixels": 1, **keys})
    sections, _ = split_hyper(config)
    arrays = {"inputs": np.zeros((1, HEIGHT, WIDTH), np.uint8), "targets": np.zeros(1, np.int32)}
    task = tasks.build_task(SPEC, {"train": arrays}, 1, **sections["task"])
    network = build_network(config.model, task.spec)
    parameters = network.init(jax.random.key(3), {"init_scale": jnp.float32(2)})
    return Trained(config, INFO, task, network, parameters, 0)


def image_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 17, (HEIGHT, WIDTH)).astype(np.uint8)


PIXELS = {"task__reading": "pixels"}
MODELS: list[dict[str, Any]] = [
    {},
    {"model__bidirectional": True, "model__pool": "mean"},
    {"model__bidirectional": True, "model__layers": 2, "model__residual": True},
    {"model__cell": "lru", "model__input_projection_size": 3},
    PIXELS,
    {**PIXELS, "task__permutation_seed": 2, "model__cell": "gru"},
]


@pytest.mark.parametrize("changes", MODELS, ids=str)
def test_the_last_prediction_is_that_for_the_image_and_none_depends_on_later_rows(
    changes: dict[str, Any],
) -> None:
    model = trained(**changes)
    reader, image = ImageReader(model), image_of(1)
    reading = reader.read(image)
    bidirectional = changes.get("model__bidirectional", False)
    assert reading.probabilities.shape == (HEIGHT, CLASSES)
    assert reading.states.shape == (HEIGHT, 14 if bidirectional else 7)
    expected = Predictor(model).predict_images(image[None])[0]
    np.testing.assert_allclose(reading.probabilities[-1], expected, atol=1e-6)
    assert len(np.unique(reading.probabilities, axis=0)) == HEIGHT  # every row changes the prediction
    # Changed pixels of the last two rows change those rows' predictions, and no earlier one.
    pixels = image.flatten()
    pixels[reader.pixels[-2:]] = LAST_ROWS
    changed = reader.read(pixels.reshape(HEIGHT, WIDTH))
    np.testing.assert_array_equal(changed.probabilities[:-2], reading.probabilities[:-2])
    assert (np.abs(changed.probabilities[-2:] - reading.probabilities[-2:]).max(axis=1) > 1e-3).all()
    if not bidirectional:
        np.testing.assert_array_equal(changed.states[:-2], reading.states[:-2])


def test_a_reading_owns_its_arrays() -> None:
    reading = ImageReader(trained()).read(image_of(4))
    assert reading.probabilities.flags.owndata
    assert reading.states.flags.owndata


@pytest.mark.parametrize("changes", [{}, PIXELS], ids=["rows", "pixels"])
def test_predictions_from_the_last_state_are_the_head_applied_to_the_states(changes: dict[str, Any]) -> None:
    model = trained(**changes)
    reading = ImageReader(model).read(image_of(2))
    head = model.parameters["params"]["output"]
    expected = jax.nn.softmax(reading.states @ head["kernel"] + head["bias"][None])
    np.testing.assert_allclose(reading.probabilities, expected, atol=1e-6)


def test_reading_order() -> None:
    in_order = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    for changes in ({}, PIXELS):
        np.testing.assert_array_equal(ImageReader(trained(**changes)).pixels, in_order)
    order = np.random.default_rng(9).permutation(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    permuted = trained(**PIXELS, task__permutation_seed=9)
    np.testing.assert_array_equal(ImageReader(permuted).pixels, order)


def test_the_precision_is_that_of_the_thread_that_compiled() -> None:
    with jax.default_matmul_precision("bfloat16"):
        reader = ImageReader(trained())
        first = reader.read(image_of(3))
    with jax.no_tracing(), jax.default_matmul_precision("float32"):
        again = reader.read(image_of(3))
    np.testing.assert_array_equal(again.probabilities, first.probabilities)
