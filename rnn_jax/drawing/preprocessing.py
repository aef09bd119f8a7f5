"""From a drawing to an image like those of a dataset."""

import numpy as np

from rnn_jax.catalogue import DATASETS
from rnn_jax.datasets.dataset import Spec
from rnn_jax.datasets.user_files import pictures
from rnn_jax.datasets.user_files.pictures import Background

LONGER_SIDE = 280
"""Minimum length of the longer side of a drawing, in pixels."""

DEFAULT_BRUSH, HANDWRITING_BRUSH = 0.07, 0.1
"""Thickness of the strokes, as a share of the longer side of the drawing."""


def box_of(name: str) -> float | None:
    """`writing_box` of a dataset in the catalogue; None: drawings are scaled as a whole."""
    entry = DATASETS.get(name.removeprefix("tfds:"))
    return None if entry is None else entry.writing_box


def canvas_size(spec: Spec) -> tuple[int, int]:
    """Height and width of drawings in pixels, a multiple of the image's."""
    height, width = int(spec["height"]), int(spec["width"])
    factor = -(-LONGER_SIDE // max(height, width))
    return height * factor, width * factor


def to_image(ink: np.ndarray, spec: Spec, name: str, background: Background) -> np.ndarray | None:
    """Convert a drawing, uint8 [any, any] from 0 (no ink) to 255, to an image like those of a dataset.

    `name` decides whether the drawing is cropped and centred; on a light `background`, ink is dark. The image
    is uint8 [height, width], up to `maximum`; None if the drawing is empty, or vanishes when it is scaled.
    """
    if not ink.any():
        return None
    height, width, maximum = (int(spec[key]) for key in ("height", "width", "maximum"))
    box = box_of(name)
    if box is None:
        image = pictures.scale(ink, height, width, fill=0)
    elif (image := _crop_and_centre(ink, height, width, box)) is None:
        return None
    return pictures.to_maximum(255 - image if background == "light" else image, maximum)


def _crop_and_centre(ink: np.ndarray, height: int, width: int, box: float) -> np.ndarray | None:
    """Crop the ink, scale it into a box, and put its centre of mass in the middle: uint8 [height, width].

    The darkest grey becomes black, as in the training images, however thin the stroke. None if scaling
    leaves nothing, as for faint dots far from one another.
    """
    from PIL import Image

    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = box * min(height, width) / max(crop.shape)
    size = [max(1, round(length * scale)) for length in crop.shape]
    resized = Image.fromarray(crop).resize(size[::-1], pictures.resampling_filter(scale))
    scaled = np.asarray(resized, np.float64)
    if not scaled.any():
        return None
    scaled = np.rint(scaled * (255 / scaled.max())).astype(np.uint8)
    image = np.zeros((height, width), np.uint8)
    top, left = (_offset(scaled.sum(axis=1 - axis), image.shape[axis]) for axis in (0, 1))
    image[top : top + size[0], left : left + size[1]] = scaled
    return image


def _offset(masses: np.ndarray, length: int) -> int:
    """Empty pixels before `masses` [pixels] that put their centre in the middle, with all of them inside.

    The middle is pixel `length` / 2, counted from 0, as in MNIST: 14.0 of 28, not 13.5.
    """
    centre = (masses * np.arange(len(masses))).sum() / masses.sum()
    return min(max(0, round(length / 2 - centre)), length - len(masses))
