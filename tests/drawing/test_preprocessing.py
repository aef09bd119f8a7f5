"""Conversion of drawings to images of a dataset."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rnn_jax import datasets
from rnn_jax.drawing import preprocessing

MNIST = {"kind": "image", "height": 28, "width": 28, "classes": 10, "maximum": 255}
DIGITS = {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}
SEVEN = ((0.1, 0.05), (0.9, 0.1), (0.5, 0.55), (0.35, 1.0))
BAR = ((0.0, 0.5), (1.0, 0.52))


def drawn(
    points: tuple[tuple[float, float], ...], at: tuple[float, float], size: float, pixels: int = 280
) -> np.ndarray:
    """The ink of a stroke of `size` pixels with its corner at `at`; its thickness is proportional."""
    large = Image.new("L", (4 * pixels, 4 * pixels))
    pen, thick = ImageDraw.Draw(large), 0.14 * size * 4
    places = [((at[0] + x * size) * 4, (at[1] + y * size) * 4) for x, y in points]
    pen.line(places, fill=255, width=round(thick))
    for x, y in places:
        pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=255)
    return np.asarray(large.resize((pixels, pixels), Image.Resampling.BOX))


def as_mnist(ink: np.ndarray) -> np.ndarray:
    image = preprocessing.to_image(ink, MNIST, "mnist", "dark")
    assert image is not None
    assert (image.shape, image.dtype) == ((28, 28), np.uint8)
    return image


def extent(image: np.ndarray) -> list[int]:
    """Height and width of the pixels that are not black."""
    return [int(np.ptp(np.flatnonzero(image.any(axis=axis)))) + 1 for axis in (1, 0)]


def centre(image: np.ndarray) -> list[float]:
    mass = image.astype(float)
    return [float((mass.sum(axis=1 - axis) * np.arange(28)).sum() / mass.sum()) for axis in (0, 1)]


@pytest.mark.parametrize("points", [SEVEN, BAR], ids=["seven", "bar"])
@pytest.mark.parametrize(("at", "size"), [((20, 20), 230), ((150, 30), 90), ((30, 200), 40)])
def test_mnist_drawings_are_scaled_to_20_pixels_and_centred(
    points: tuple[tuple[float, float], ...], at: tuple[float, float], size: float
) -> None:
    image = as_mnist(drawn(points, at, size))
    assert max(extent(image)) == 20
    assert centre(image) == pytest.approx([14, 14], abs=0.5 + 1e-6)
    assert image.max() == 255
    assert image[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0


def test_digits_fill_all_rows_like_the_training_images() -> None:
    images = datasets.build_dataset(name="digits", batch_size=1).splits["train"]["inputs"]
    heights = [np.ptp(np.flatnonzero(image.any(axis=1))) + 1 for image in images]
    assert np.mean(np.equal(heights, 8)) == 1
    image = preprocessing.to_image(drawn(SEVEN, (100, 60), 120), DIGITS, "digits", "dark")
    assert image is not None
    assert (extent(image)[0], image.max()) == (8, 16)


def test_the_position_does_not_matter() -> None:
    expected = as_mnist(drawn(SEVEN, (20, 20), 120))
    for at in ((21, 20), (150, 20), (20, 140), (133, 127)):
        np.testing.assert_array_equal(as_mnist(drawn(SEVEN, at, 120)), expected)


@pytest.mark.parametrize("size", [60, 100, 170])
def test_the_size_does_not_matter(size: float) -> None:
    expected, found = as_mnist(drawn(SEVEN, (20, 20), 230)), as_mnist(drawn(SEVEN, (30, 40), size))
    # A centre that rounds to another pixel moves the image by one.
    moved = [np.roll(found, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    alike = [np.corrcoef(each.ravel(), expected.ravel())[0, 1] for each in moved]
    assert max(alike) > 0.97
    assert alike[4] > 0.75
    assert np.corrcoef(as_mnist(drawn(BAR, (20, 20), 230)).ravel(), expected.ravel())[0, 1] < 0.5


@pytest.mark.parametrize("name", ["digits", "folder"])
def test_a_full_canvas_is_ink(name: str) -> None:
    """The background of own pictures is guessed from their edges; here it is known."""
    full = preprocessing.to_image(np.full((280, 280), 255, np.uint8), DIGITS, name, "dark")
    np.testing.assert_array_equal(full, np.full((8, 8), 16))


def test_edges_are_grey() -> None:
    greys = as_mnist(drawn(SEVEN, (20, 20), 230))
    assert ((greys > 20) & (greys < 235)).mean() > 0.03


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_ink_has_the_polarity_of_the_dataset(name: str) -> None:
    ink = drawn(SEVEN, (60, 60), 160)
    dark, light = (preprocessing.to_image(ink, MNIST, name, background) for background in ("dark", "light"))
    assert dark is not None
    assert light is not None
    np.testing.assert_array_equal(light, 255 - dark)
    assert dark[0].max() == 0


def test_drawings_for_other_datasets_are_not_centred() -> None:
    ink = np.zeros((280, 280), np.uint8)
    ink[:40, 20:60] = 255
    image = preprocessing.to_image(ink, MNIST, "fashion_mnist", "dark")
    assert image is not None
    expected = np.zeros((28, 28), np.uint8)
    expected[:4, 2:6] = 255
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("name", ["mnist", "folder"])
def test_an_empty_drawing_is_no_image(name: str) -> None:
    assert preprocessing.to_image(np.zeros((280, 280), np.uint8), MNIST, name, "dark") is None


def test_a_dot_and_a_full_canvas_are_images() -> None:
    dot = np.zeros((280, 280), np.uint8)
    dot[279, 0] = 3
    assert extent(as_mnist(dot)) == [20, 20]
    assert extent(as_mnist(np.full((280, 280), 255, np.uint8))) == [20, 20]


@pytest.mark.parametrize(("height", "width"), [(28, 28), (8, 8), (20, 30), (512, 300)])
def test_the_canvas_has_the_shape_of_the_images(height: int, width: int) -> None:
    spec = {**MNIST, "height": height, "width": width}
    canvas = preprocessing.canvas_size(spec)
    assert max(canvas) >= preprocessing.LONGER_SIDE
    assert canvas[0] * width == canvas[1] * height
    image = preprocessing.to_image(np.full(canvas, 255, np.uint8), spec, "folder", "mixed")
    assert image is not None
    assert image.shape == (height, width)


def test_faint_dots_far_apart_are_no_image() -> None:
    ink = np.zeros((336, 336), np.uint8)
    ink[0, 0] = ink[-1, -1] = 60
    assert preprocessing.to_image(ink, MNIST, "mnist", "dark") is None
