"""Pictures, PNG or JPEG, as a network reads them: grey, of one size, on the background that it knows."""

from pathlib import Path
from typing import Literal

import numpy as np

from rnn_jax.runtime.errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg")
Background = Literal["dark", "light", "mixed"]
_MOST = 0.9  # of the training images must have a background for it to be theirs


def read(path: Path) -> np.ndarray:
    """Reads a picture: uint8 [height, width], in grey; what is transparent is white.

    Raises:
        UserError: it cannot be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=("PNG", "JPEG")) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # sixteen bits, of which Pillow would keep the lower ones
                return (np.asarray(picture).astype(np.int64) >> 8).astype(np.uint8)
            if picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.asarray(picture.convert("L"))
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: no PNG or JPEG picture") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:  # of damaged files
        raise UserError(f"{path}: damaged: {error}") from error


def background_of(images: np.ndarray, maximum: int) -> Background:
    """What most of images [examples, height, width] have at their edges."""
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    light = np.median(edges, axis=1) > maximum / 2
    share = float(light.mean())
    return "light" if share >= _MOST else "dark" if share <= 1 - _MOST else "mixed"


def fit(picture: np.ndarray, height: int, width: int, maximum: int, background: Background) -> np.ndarray:
    """A picture, uint8 [any, any], as an image of a data set: uint8 [height, width], up to `maximum`.

    It is scaled as a whole, each pixel the mean of what it covers, and filled up at the sides with its own
    background; and its greys are turned round where its background is not that of the data set.
    """
    from PIL import Image

    own = background_of(picture[None], 255)
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    scaled = np.asarray(Image.fromarray(picture).resize(size, _filter(scale)))
    above, left = (height - scaled.shape[0]) // 2, (width - scaled.shape[1]) // 2
    image = np.full((height, width), 255 if own == "light" else 0, np.uint8)
    image[above : above + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    if background != "mixed" and own != background:
        image = 255 - image
    return np.rint(image.astype(np.float64) * maximum / 255).astype(np.uint8)


def _filter(scale: float) -> int:
    from PIL.Image import Resampling

    return Resampling.BOX if scale <= 1 else Resampling.BILINEAR
