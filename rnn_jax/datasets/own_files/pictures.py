"""Pictures, PNG or JPEG, as a network reads them: grey, of one size, on the background that it knows."""

import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from rnn_jax.datasets import untrusted
from rnn_jax.runtime.errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg")
Background = Literal["dark", "light", "mixed"]
_MOST_PIXELS = 89_478_485  # which Pillow warns of: a quarter of a gigabyte in colour
_BLOCK = 1 << 20
_MOST = 0.9  # of the training images must have a background for it to be theirs


def read(path: Path) -> np.ndarray:
    """Reads a picture: uint8 [height, width], in grey; what is transparent is white.

    Raises:
        UserError: it cannot be read, is damaged, or has too many pixels.
    """
    return read_all([path])[0]


def read_all(paths: Sequence[Path]) -> list[np.ndarray]:
    """Reads pictures, several at a time; see `read`."""
    with warnings.catch_warnings():  # here, since it is nothing for threads
        warnings.simplefilter("ignore")  # of what says when a picture was taken, and the like
        if len(paths) == 1:
            return [_read(paths[0])]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(_read, paths))


def _read(path: Path) -> np.ndarray:
    from PIL import Image, ImageOps
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    with untrusted.reading(path), path.open("rb") as binary:
        kinds = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile}
        begins = binary.read(8)
        kind = next((kind for magic, kind in kinds.items() if begins.startswith(magic)), None)
        if kind is None:
            raise UserError(f"{path}: no PNG or JPEG picture")
        binary.seek(0)
        # Of its kind, and not by `Image.open`, which merely warns of a picture that unpacks to a gigabyte.
        with kind(binary) as file:
            width, height = file.size
            if width * height > _MOST_PIXELS:
                raise UserError(f"{path}: of {width:,}x{height:,} pixels, more than {_MOST_PIXELS:,}")
            if kind is PngImageFile:
                _verify(binary)
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # sixteen bits, of which Pillow would keep the lower ones
                return (np.asarray(picture).astype(np.int64) >> 8).astype(np.uint8)
            if picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.asarray(picture.convert("L"))


def _verify(binary: BinaryIO) -> None:
    """Compares the checksums of a PNG file's parts, of which Pillow compares some; raises what it likes."""
    place = binary.tell()
    binary.seek(8)
    while len(head := binary.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        digest = zlib.crc32(name)
        while size and (block := binary.read(min(size, _BLOCK))):
            digest, size = zlib.crc32(block, digest), size - len(block)
        if size or binary.read(4) != digest.to_bytes(4, "big"):
            raise ValueError(f"its part {name.decode('latin-1')} is truncated, or has another checksum")
        if name == b"IEND":
            binary.seek(place)
            return
    raise ValueError("it has no end")


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
    own = background_of(picture[None], 255)
    image = scale(picture, height, width, 255 if own == "light" else 0)
    if background != "mixed" and own != background:
        image = 255 - image
    return in_greys(image, maximum)


def scale(picture: np.ndarray, height: int, width: int, fill: int) -> np.ndarray:
    """A picture, uint8 [any, any], scaled as a whole and filled up at the sides: uint8 [height, width]."""
    from PIL import Image

    factor = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    scaled = np.asarray(Image.fromarray(picture).resize(size, filter_of(factor)))
    above, left = (height - scaled.shape[0]) // 2, (width - scaled.shape[1]) // 2
    image = np.full((height, width), fill, np.uint8)
    image[above : above + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return image


def in_greys(image: np.ndarray, maximum: int) -> np.ndarray:
    """An image whose white is 255 as one whose white is `maximum`, uint8."""
    return np.rint(image.astype(np.float64) * maximum / 255).astype(np.uint8)


def filter_of(factor: float) -> int:
    """Pillow's filter that scales well by so much: smaller, each pixel the mean of what it covers."""
    from PIL.Image import Resampling

    return Resampling.BOX if factor <= 1 else Resampling.BILINEAR
