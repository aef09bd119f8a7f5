"""PNG and JPEG files as inputs of a network: grey, of one size, on the background of its data set."""

import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from rnn_jax.datasets.safe_reading import reading
from rnn_jax.runtime.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg")
Background = Literal["dark", "light", "mixed"]
MAX_PIXELS = 89_478_485  # Pillow's limit for a warning: a quarter of a gigabyte in colour
_BLOCK = 1 << 20
_MIN_SHARE = 0.9  # of the images of a data set, for their background to be that of the data set


def read(path: Path) -> np.ndarray:
    """Read a picture; raise UserError if it is damaged, or has too many pixels; see `read_all`."""
    return read_all([path])[0]


def read_all(paths: Sequence[Path]) -> list[np.ndarray]:
    """Read pictures, several at a time: uint8 [height, width], in grey; transparent pixels become white."""
    # About damaged metadata, such as the time of a photograph. Here, since it is not safe in threads.
    with warnings.catch_warnings(action="ignore"):
        if len(paths) == 1:
            return [_read(paths[0])]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(_read, paths))


def _read(path: Path) -> np.ndarray:
    from PIL import Image, ImageOps
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    with reading(path), path.open("rb") as binary:
        formats = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile}
        start = binary.read(8)
        image_file = next((found for magic, found in formats.items() if start.startswith(magic)), None)
        if image_file is None:
            raise UserError(f"{path}: not a PNG or JPEG file")
        binary.seek(0)
        # Not by `Image.open`, which merely warns of a picture that decompresses to a gigabyte.
        with image_file(binary) as file:
            width, height = file.size
            if width * height > MAX_PIXELS:
                raise UserError(f"{path}: {width:,}x{height:,} pixels: must be at most {MAX_PIXELS:,}")
            if image_file is PngImageFile:
                _verify_png(binary)
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # 16 bits, of which Pillow's conversion would keep the lower 8
                return (np.asarray(picture).astype(np.int64) >> 8).astype(np.uint8)
            if picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.asarray(picture.convert("L"))


def _verify_png(binary: BinaryIO) -> None:
    """Verify the checksums of all chunks, of which Pillow verifies some."""
    position = binary.tell()
    binary.seek(8)
    while len(header := binary.read(8)) == 8:
        size, name = struct.unpack(">I4s", header)
        checksum = zlib.crc32(name)
        while size and (block := binary.read(min(size, _BLOCK))):
            checksum, size = zlib.crc32(block, checksum), size - len(block)
        if size or binary.read(4) != checksum.to_bytes(4, "big"):
            raise ValueError(f"the chunk {name.decode('latin-1')} is truncated, or has a wrong checksum")
        if name == b"IEND":
            binary.seek(position)
            return
    raise ValueError("truncated: has no IEND chunk")


def background_of(images: np.ndarray, maximum: int) -> Background:
    """Return the brightness of the edges of most images [examples, height, width]."""
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    share = float((np.median(edges, axis=1) > maximum / 2).mean())
    return "light" if share >= _MIN_SHARE else "dark" if share <= 1 - _MIN_SHARE else "mixed"


def fit(picture: np.ndarray, height: int, width: int, maximum: int, background: Background) -> np.ndarray:
    """Fit a picture, uint8 [any, any], to the images of a data set: uint8 [height, width], up to `maximum`.

    The picture is scaled as a whole and padded with its own background. It is inverted if its background is
    not that of the data set.
    """
    own = background_of(picture[None], 255)
    image = scale(picture, height, width, 255 if own == "light" else 0)
    if background != "mixed" and own != background:
        image = 255 - image
    return to_maximum(image, maximum)


def scale(picture: np.ndarray, height: int, width: int, fill: int) -> np.ndarray:
    """Scale a picture, uint8 [any, any], as a whole and pad it with `fill`: uint8 [height, width]."""
    from PIL import Image

    factor = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    scaled = np.asarray(Image.fromarray(picture).resize(size, resampling_filter(factor)))
    top, left = (height - scaled.shape[0]) // 2, (width - scaled.shape[1]) // 2
    image = np.full((height, width), fill, np.uint8)
    image[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return image


def to_maximum(image: np.ndarray, maximum: int) -> np.ndarray:
    """Convert an image with white 255 to one with white `maximum`, uint8."""
    return np.rint(image.astype(np.float64) * maximum / 255).astype(np.uint8)


def resampling_filter(factor: float) -> int:
    """Return Pillow's filter for a scale factor: the mean of the covered pixels, or interpolation."""
    from PIL.Image import Resampling

    return Resampling.BOX if factor <= 1 else Resampling.BILINEAR
