"""IDX files of images with one label each, the format of MNIST.

An IDX file is a magic number (two zero bytes, 8 for unsigned bytes, the number of axes), the length of each
axis as a big-endian 32-bit number, and the bytes. Source: http://yann.lecun.com/exdb/mnist/
"""

import math
import struct
from pathlib import Path

import numpy as np

from rnn_jax.datasets.archives import open_compressed
from rnn_jax.datasets.dataset import Spec
from rnn_jax.datasets.safe_reading import reading
from rnn_jax.runtime.errors import UserError

FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
"""The names of MNIST's files: images and labels of each split."""
_MAGIC = {"images": 2051, "labels": 2049}


def image_spec(height: int, width: int, classes: int) -> Spec:
    """Return the spec of images of bytes."""
    return {"kind": "image", "height": height, "width": width, "classes": classes, "maximum": 255}


def read_images(path: Path, height: int | None = None, width: int | None = None) -> np.ndarray:
    """Read a file of images, compressed or not: uint8 [images, height, width].

    Raises:
        UserError: the file is damaged or another file, or its images have another size.
    """
    images = _read(path, "images")
    if None not in (height, width) and images.shape[1:] != (height, width):
        found = "x".join(str(size) for size in images.shape[1:])
        raise UserError(f"{path}: has images of {found} pixels: must be {height}x{width}")
    return images


def read_labels(path: Path, classes: int = 256) -> np.ndarray:
    """Read a file of labels, compressed or not: uint8 [labels], each less than `classes`.

    Raises:
        UserError: the file is damaged or another file, or a label is out of range.
    """
    labels = _read(path, "labels")
    wrong = np.flatnonzero(labels >= classes)
    if wrong.size:
        raise UserError(f"{path}: label {wrong[0]} is {labels[wrong[0]]}: must be in 0 to {classes - 1}")
    return labels


def read_pair(images_path: Path, labels_path: Path, spec: Spec | None = None) -> dict[str, np.ndarray]:
    """Read a split: `inputs`, uint8 [examples, height, width], and `targets`, int32 [examples].

    Raises:
        UserError: a file is invalid (see above) or does not fit the spec, or the files differ in length.
    """
    spec = spec or {}
    images = read_images(images_path, spec.get("height"), spec.get("width"))
    labels = read_labels(labels_path, spec.get("classes", 256))
    if len(images) != len(labels):
        raise UserError(
            f"{images_path}: has {len(images):,} images, but {labels_path.name} has {len(labels):,} labels: "
            "must be equal"
        )
    return {"inputs": images, "targets": labels.astype(np.int32)}


def _read(path: Path, contents: str) -> np.ndarray:
    """Read a file of "images" or "labels": uint8, with the shape in its header."""
    with reading(path), open_compressed(path) as file:
        axes = _MAGIC[contents] % 256
        size = 4 * (1 + axes)
        header = file.read(size)
        magic = int.from_bytes(header[:4], "big")
        if len(header) >= 4 and magic != _MAGIC[contents]:
            found = next((f"has {other}" for other in _MAGIC if _MAGIC[other] == magic), "not an IDX file")
            raise UserError(
                f"{path}: {found} (magic number {magic}): must have {contents} ({_MAGIC[contents]})"
            )
        if len(header) < size:
            raise UserError(f"{path}: truncated: {len(header)} bytes: must begin with a header of {size}")
        shape = struct.unpack(f">{axes}I", header[4:])
        expected = math.prod(shape)
        data, surplus = file.read_up_to(expected)
    if (actual := len(data) + surplus) != expected:
        problem = "truncated" if actual < expected else "too long"
        raise UserError(f"{path}: {problem}: {actual:,} bytes of {contents}: the header claims {expected:,}")
    if expected == 0:
        raise UserError(f"{path}: has no {contents}")
    return np.frombuffer(data, np.uint8).reshape(shape)
