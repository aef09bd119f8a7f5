"""How a network reads an image row by row."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import tasks
from rnn_jax.config.sections import Model
from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.inference.image_reading import Reader
from rnn_jax.inference.predictor import Answerer, Trained
from rnn_jax.models import build_network

HEIGHT, WIDTH, CLASSES = 6, 5, 4
SPEC = {"kind": "image", "height": HEIGHT, "width": WIDTH, "classes": CLASSES, "maximum": 16}
KNOWN = DatasetInfo("drawn", SPEC, tuple("abcd"), "dark", None)
LAST_ROWS = np.random.default_rng(5).integers(0, 17, (2, WIDTH)).astype(np.uint8)


def trained(reading: str = "rows", seed: int | None = None, **changes: Any) -> Trained:
    """A network as it is drawn."""
    arrays = {"inputs": np.zeros((1, HEIGHT, WIDTH), np.uint8), "targets": np.zeros(1, np.int32)}
    options = {"reading": reading, "permutation_seed": seed, "shift_pixels": 1}
    task = tasks.build_task(SPEC, {"train": arrays}, 1, name="classification", **options)
    settings: dict[str, Any] = {
        "cell": "lstm",
        "implementation": "auto",
        "hidden_size": 7,
        "layers": 1,
        "bidirectional": False,
        "residual": False,
        "pool": "last",
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal",
        "dense_init": "lecun_normal",
    }
    network = build_network(Model(**settings | changes), task.spec)
    parameters = network.init(jax.random.key(3), {"init_scale": jnp.float32(2)})
    return Trained(task, network, parameters, 0, [])


def image_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 17, (HEIGHT, WIDTH)).astype(np.uint8)


KINDS: list[dict[str, Any]] = [
    {},
    {"bidirectional": True, "pool": "mean"},
    {"bidirectional": True, "layers": 2, "residual": True},
    {"cell": "lru", "input_projection_size": 3},
    {"reading": "pixels"},
    {"reading": "pixels", "seed": 2, "cell": "gru"},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_last_answer_is_that_to_the_image_and_none_depends_on_later_rows(kind: dict[str, Any]) -> None:
    model = trained(**kind)
    reader, image = Reader(KNOWN, model), image_of(1)
    read = reader.read(image)
    features = 14 if kind.get("bidirectional") else 7
    assert read.probabilities.shape == (HEIGHT, CLASSES)
    assert read.states.shape == (HEIGHT, features)
    expected = Answerer(KNOWN, model.task, model.network, model.parameters).to_images(image[None])[0]
    np.testing.assert_allclose(read.probabilities[-1], expected, atol=1e-6)
    assert len(np.unique(read.probabilities, axis=0)) == HEIGHT  # each row said something
    # Other pixels from a row on change nothing before it, and something after it.
    pixels = image.flatten()
    later = reader.pixels[-2:]
    pixels[later] = LAST_ROWS
    other = reader.read(pixels.reshape(HEIGHT, WIDTH))
    np.testing.assert_array_equal(other.probabilities[:-2], read.probabilities[:-2])
    assert (np.abs(other.probabilities[-2:] - read.probabilities[-2:]).max(axis=1) > 1e-3).all()
    if not kind.get("bidirectional"):
        np.testing.assert_array_equal(other.states[:-2], read.states[:-2])


def test_a_reading_holds_no_buffers_of_jax() -> None:
    read = Reader(KNOWN, trained()).read(image_of(4))
    assert read.probabilities.flags.owndata
    assert read.states.flags.owndata


@pytest.mark.parametrize("reading", ["rows", "pixels"])
def test_an_answer_from_the_last_state_is_the_head_on_the_state_after_each_row(reading: str) -> None:
    model = trained(reading)
    read = Reader(KNOWN, model).read(image_of(2))
    head = model.parameters["params"]["output"]
    expected = jax.nn.softmax(read.states @ head["kernel"] + head["bias"][None])
    np.testing.assert_allclose(read.probabilities, expected, atol=1e-6)


def test_which_pixels_are_read_when() -> None:
    in_order = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    for reading in ("rows", "pixels"):
        np.testing.assert_array_equal(Reader(KNOWN, trained(reading)).pixels, in_order)
    order = np.random.default_rng(9).permutation(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    np.testing.assert_array_equal(Reader(KNOWN, trained("pixels", seed=9)).pixels, order)


def test_it_is_compiled_once_whatever_a_thread_has_set() -> None:
    with jax.default_matmul_precision("bfloat16"):
        reader = Reader(KNOWN, trained())
        first = reader.read(image_of(3))
    with jax.no_tracing(), jax.default_matmul_precision("float32"):
        again = reader.read(image_of(3))
    np.testing.assert_array_equal(again.probabilities, first.probabilities)
