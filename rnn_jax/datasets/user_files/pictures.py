"""PNG and JPEG files as inputs of a network: grey, of one size, on the background of its data set."""

import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from rnn_jax.datasets.file_kinds import PICTURES, kind_of
from rnn_jax.datasets.safe_reading import reading
from rnn_jax.runtime.errors import UserError

Background = Literal["dark", "light", "mixed"]
MAX_PIXELS = 89_478_485  # Pillow's limit for a warning: a quarter of a gigabyte in colour
_BLOCK = 1 << 20
_IHDR_BYTES, _DEPTH, _COLOUR, _GREY = 26, 24, 25, 0  # of a PNG file: places of its bit depth and colour type
_MIN_SHARE = 0.9  # of the images of a data set, for their background to be that of the data set


def read(path: Path, sixteen_bit_white: int | None = None) -> np.ndarray:
    """Read a picture like those of a data set: uint8 [height, width], in grey; see `read_all`.

    `sixteen_bit_white` is the white of its 16-bit pictures; None: they have 8 bits. Raises UserError for a
    picture that is damaged, has too many pixels, or has another number of bits.
    """
    picture = read_all([path])[0]
    if (picture.dtype == np.uint16) != (sixteen_bit_white is not None):
        found, expected = (16, 8) if sixteen_bit_white is None else (8, 16)
        problem = f"has {found} bits per pixel, but the images of the data set {expected}"
        raise UserError(f"{path}: {problem}; convert it to {expected} bits as they were")
    if sixteen_bit_white is None:
        return picture
    if (largest := int(picture.max())) > sixteen_bit_white:
        allowed = f"must be at most {sixteen_bit_white:,}, the white of the data set"
        raise UserError(f"{path}: has the value {largest:,}: {allowed}")
    return to_8_bits(picture, sixteen_bit_white)


def read_all(paths: Sequence[Path]) -> list[np.ndarray]:
    """Read pictures, several at a time: uint8 [height, width], in grey; transparent pixels become white.

    PNG files in grey of 16 bits are uint16.
    """
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
        start = binary.read(_IHDR_BYTES)
        if not start.startswith(tuple(PICTURES)):
            raise UserError(f"{path}: is {kind_of(path).name}, not a PNG or JPEG file")
        binary.seek(0)
        is_png = start.startswith(b"\x89")
        # Not by `Image.open`, which merely warns of a picture that decompresses to a gigabyte.
        with (PngImageFile if is_png else JpegImageFile)(binary) as file:
            width, height = file.size
            if width * height > MAX_PIXELS:
                raise UserError(f"{path}: {width:,}x{height:,} pixels: must be at most {MAX_PIXELS:,}")
            if is_png:
                _verify_png(binary)
            picture = ImageOps.exif_transpose(file)
            transparent = picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info
            if is_png and start[_DEPTH] == 16:
                if start[_COLOUR] != _GREY or transparent:  # of which Pillow drops the lower 8 bits
                    raise UserError(f"{path}: has 16 bits per channel: must have 8, or be grey and opaque")
                return np.asarray(picture).astype(np.uint16)
            if transparent:
                if (
                    is_png and start[_COLOUR] == _GREY
                ):  # Pillow scales pixels of fewer bits, but not this value
                    picture.info["transparency"] *= 255 // ((1 << start[_DEPTH]) - 1)
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


def to_8_bits(pictures: np.ndarray, white: int) -> np.ndarray:
    """Scale 16-bit pictures so that `white`, at least their largest value, becomes 255: uint8."""
    return np.rint(pictures.astype(np.float64) * 255 / white).astype(np.uint8)


def _are_light(images: np.ndarray, maximum: int) -> np.ndarray:
    """Whether most pixels at the edges of images [examples, height, width] are light: bool [examples]."""
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)
    return np.median(edges, axis=1) > maximum / 2


def background_of(images: np.ndarray, maximum: int, share: float = _MIN_SHARE) -> Background:
    """Return the brightness of the edges of that share of the images [examples, height, width], at least."""
    light = float(_are_light(images, maximum).mean())
    return "light" if light >= share else "dark" if light <= 1 - share else "mixed"


def with_background(images: np.ndarray, background: str) -> np.ndarray:
    """Invert the images, uint8 [examples, height, width] with white 255, that have another background."""
    inverted = _are_light(images, 255) != (background == "light")
    return np.where(inverted[:, None, None], 255 - images, images)


def fit(picture: np.ndarray, height: int, width: int, maximum: int) -> np.ndarray:
    """Fit a picture, uint8 [any, any], to the images of a data set: uint8 [height, width], up to `maximum`.

    The picture is scaled as a whole and padded with its own background.
    """
    fill = 255 if background_of(picture[None], 255) == "light" else 0
    return to_maximum(scale(picture, height, width, fill), maximum)


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
