"""What was drawn, as an image of the data set that the network knows."""

from typing import NamedTuple

import numpy as np

from rnn_jax.datasets.dataset import Spec
from rnn_jax.datasets.own_files import pictures
from rnn_jax.datasets.own_files.pictures import Background

LONGER_SIDE = 280
"""Pixels of the longer side of what is drawn on, at least."""


class Frame(NamedTuple):
    """How the images of a data set were cut out and placed."""

    box: float
    """The longer side of what was written, as a share of the image's shorter one. Its centre of mass is in
    the middle."""
    brush: float
    """How thick the strokes are, as a share of the image."""


_MNIST = Frame(20 / 28, 0.1)  # LeCun et al. 1998, section III.A: 20 × 20, placed in 28 × 28
_DIGITS = Frame(1.0, 0.1)  # they fill all eight rows
FRAMES = {"mnist": _MNIST, "tfds:mnist": _MNIST, "digits": _DIGITS}
"""By the name of the data set; the images of any other show all there is, wherever it lies."""
OTHERS_BRUSH = 0.07


def brush_of(name: str) -> float:
    """How thick to draw for a data set, as a share of the longer side of what is drawn on."""
    return FRAMES[name].brush if name in FRAMES else OTHERS_BRUSH


def canvas_size(spec: Spec) -> tuple[int, int]:
    """Height and width, in pixels, of what is drawn on for images of that spec: a multiple of theirs."""
    height, width = int(spec["height"]), int(spec["width"])
    times = -(-LONGER_SIDE // max(height, width))
    return height * times, width * times


def as_image(ink: np.ndarray, spec: Spec, name: str, background: Background) -> np.ndarray | None:
    """A drawing as an image of a data set.

    Args:
        ink: uint8 [any, any], how much ink there is: 0 none, 255 all.
        spec: the data set's, whose `height`, `width` and `maximum` the image has.
        name: the data set's, which says whether a drawing is cut out and placed, see `FRAMES`.
        background: the data set's. Where it is light, ink is dark.

    Returns:
        uint8 [height, width], up to `maximum`; None where nothing was drawn, or too little to be seen.
    """
    if not ink.any():
        return None
    height, width, maximum = (int(spec[key]) for key in ("height", "width", "maximum"))
    if name in FRAMES:
        image = _placed(ink, height, width, FRAMES[name].box)
        if image is None:
            return None
    else:
        image = pictures.scale(ink, height, width, fill=0)
    return pictures.in_greys(255 - image if background == "light" else image, maximum)


def _placed(ink: np.ndarray, height: int, width: int, box: float) -> np.ndarray | None:
    """What was drawn, cut out, scaled into a box, its centre of mass in the middle: uint8 [height, width].

    None where nothing is left of it, faint dots far from one another.

    The darkest grey becomes black, as it is in the training images, however thin the stroke was.
    """
    from PIL import Image

    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = box * min(height, width) / max(cut.shape)
    size = [max(1, round(length * scale)) for length in cut.shape]
    scaled = np.asarray(Image.fromarray(cut).resize(size[::-1], pictures.filter_of(scale)), np.float64)
    if not scaled.any():
        return None
    scaled = np.rint(scaled * (255 / scaled.max())).astype(np.uint8)
    image = np.zeros((height, width), np.uint8)
    above, left = (_before(scaled.sum(axis=1 - axis), image.shape[axis]) for axis in (0, 1))
    image[above : above + size[0], left : left + size[1]] = scaled
    return image


def _before(masses: np.ndarray, room: int) -> int:
    """Empty pixels before masses [pixels], so that their centre is in the middle, and none is outside.

    The middle is pixel room / 2, counted from 0, as MNIST has it: 14.0 of 28, and not 13.5.
    """
    centre = (masses * np.arange(len(masses))).sum() / masses.sum()
    return min(max(0, round(room / 2 - centre)), room - len(masses))
