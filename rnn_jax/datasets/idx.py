"""IDX files of images with one label each, the format of MNIST.

An IDX file is a magic number (two zero bytes, 8 for unsigned bytes, the number of axes), the length of each
axis as a big-endian 32-bit number, and the bytes. Source: http://yann.lecun.com/exdb/mnist/
"""

import math
import struct
from pathlib import Path

import numpy as np

from rnn_jax.datasets.archives import open_compressed
from rnn_jax.datasets.dataset import Arrays, Spec
from rnn_jax.datasets.safe_reading import reading
from rnn_jax.runtime.errors import UserError

FILES = {  # the names of MNIST's files: images and labels of each split
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_MAGIC = {"images": 2051, "labels": 2049}
_TYPES = {
    8: "bytes",
    9: "signed bytes",
    11: "16-bit integers",
    12: "32-bit integers",
    13: "floats",
    14: "doubles",
}


def image_spec(height: int, width: int, classes: int) -> Spec:
    """Return the spec of images of bytes."""
    return {"kind": "image", "height": height, "width": width, "classes": classes, "maximum": 255}


def read_pair(images_path: Path, labels_path: Path, spec: Spec | None = None) -> Arrays:
    """Read `inputs`, uint8 [examples, height, width], and `targets`, int32 [examples], that fit the spec."""
    images, labels = read_idx(images_path, "images"), read_idx(labels_path, "labels")
    size = images.shape[1:]
    if spec and size != (spec["height"], spec["width"]):
        found, needed = f"{size[0]}x{size[1]}", f"{spec['height']}x{spec['width']}"
        raise UserError(f"{images_path}: has images of {found} pixels: must be {needed}")
    if spec and (wrong := np.flatnonzero(labels >= spec["classes"])).size:
        problem = f"label {wrong[0]} is {labels[wrong[0]]}"
        raise UserError(f"{labels_path}: {problem}: must be in 0 to {spec['classes'] - 1}")
    if len(images) != len(labels):
        problem = f"has {len(images):,} images, but {labels_path.name} has {len(labels):,} labels"
        raise UserError(f"{images_path}: {problem}: must be equal")
    return {"inputs": images, "targets": labels.astype(np.int32)}


def read_idx(path: Path, contents: str) -> np.ndarray:
    """Read a file of "images" or "labels", compressed or not, as uint8; raise UserError for another one."""
    with reading(path), open_compressed(path) as file:
        axes = _MAGIC[contents] % 256
        size = 4 * (1 + axes)
        header = file.read(size)
        magic = int.from_bytes(header[:4], "big")
        if len(header) >= 4 and magic != _MAGIC[contents]:
            expected = f"{contents} ({_MAGIC[contents]})"
            raise UserError(f"{path}: {_describe(header)} (magic number {magic}): must have {expected}")
        if len(header) < size:
            raise UserError(f"{path}: truncated: {len(header)} bytes: must begin with a header of {size}")
        shape = struct.unpack(f">{axes}I", header[4:])
        expected = math.prod(shape)
        data, surplus = file.read_up_to(expected)
    if (actual := len(data) + surplus) != expected:
        if actual == math.prod(struct.unpack(f"<{axes}I", header[4:])):
            raise UserError(f"{path}: has a header with little-endian sizes: must be big-endian")
        problem = "truncated" if actual < expected else "too long"
        raise UserError(f"{path}: {problem}: {actual:,} bytes of {contents}: the header claims {expected:,}")
    if expected == 0:
        raise UserError(f"{path}: has no {contents}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _describe(header: bytes) -> str:
    """Return what a file with another magic number has."""
    for other, magic in _MAGIC.items():
        if header[:4] == magic.to_bytes(4, "big"):
            return f"has {other}"
        if header[:4] == magic.to_bytes(4, "little"):
            return f"has {other} with little-endian numbers, which no IDX file has"
    if header[:2] == b"\0\0" and header[2] in _TYPES:
        axes = f"{header[3]} {'axis' if header[3] == 1 else 'axes'}"
        return f"has {_TYPES[header[2]]} of {axes}"
    return "not an IDX file"
