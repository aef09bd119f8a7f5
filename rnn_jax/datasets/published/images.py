"""Images with one label each: MNIST, Fashion-MNIST, others in their file format, the digits of scikit-learn.

An IDX file is a magic number (two zero bytes, 8 for unsigned bytes, the number of axes), the length of each
axis as a big-endian 32-bit number, and the bytes. Source: http://yann.lecun.com/exdb/mnist/
"""

import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnn_jax.datasets import untrusted
from rnn_jax.datasets.dataset import SPLITS, Loaded, Spec, Splits
from rnn_jax.datasets.published import builder
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.splitting import stratified_order
from rnn_jax.runtime.errors import UserError

IDX_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_IDX_CONTENTS = {2051: "images", 2049: "labels"}
_IDX_AXES = {"images": 3, "labels": 1}


def read_images(path: Path, height: int | None, width: int | None) -> np.ndarray:
    """Reads an IDX file of images, packed by gzip or not: uint8 [images, height, width].

    Raises:
        UserError: it is not such a file, or is truncated, or its images are of another size than is given.
    """
    images = _read_idx(path, "images")
    if None not in (height, width) and images.shape[1:] != (height, width):
        found = "x".join(str(size) for size in images.shape[1:])
        raise UserError(f"{path}: its images are of {found} pixels, should be of {height}x{width}")
    return images


def read_labels(path: Path, classes: int = 256) -> np.ndarray:
    """Reads an IDX file of labels, packed by gzip or not: uint8 [labels], each below `classes`.

    Raises:
        UserError: it is not such a file, or is truncated, or a label is out of range.
    """
    labels = _read_idx(path, "labels")
    wrong = np.flatnonzero(labels >= classes)
    if wrong.size:
        first = wrong[0]
        raise UserError(f"{path}: label {first} is {labels[first]}, should be in 0 to {classes - 1}")
    return labels


def read_pair(images_path: Path, labels_path: Path, spec: Spec | None = None) -> dict[str, np.ndarray]:
    """Reads the two IDX files of one split, whose images and labels are as a spec says.

    Returns:
        `inputs`, uint8 [examples, height, width], and `targets`, int32 [examples].

    Raises:
        UserError: one is not what it should be (see above), or their counts do not agree.
    """
    said = spec or {}
    images = read_images(images_path, said.get("height"), said.get("width"))
    labels = read_labels(labels_path, said.get("classes", 256))
    if len(images) != len(labels):
        raise UserError(
            f"{images_path}: has {len(images):,} images, but {labels_path.name} has {len(labels):,} labels; "
            f"there should be one for each image"
        )
    return {"inputs": images, "targets": labels.astype(np.int32)}


def _read_idx(path: Path, contents: str) -> np.ndarray:
    """Reads an IDX file of `contents` ("images" or "labels"): uint8, of the shape that its head says."""
    with untrusted.reading(path), untrusted.unpacked(path) as file:
        shape = _read_head(path, file, contents)
        expected = math.prod(shape)
        data, surplus = file.read_up_to(expected)
    if len(data) + surplus != expected:
        problem = "truncated" if len(data) < expected else "too long"
        found = len(data) + surplus
        raise UserError(f"{path}: {problem}: {found:,} bytes of {contents}, its head says {expected:,}")
    if expected == 0:
        raise UserError(f"{path}: has no {contents}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_head(path: Path, file: untrusted.Unpacked, contents: str) -> tuple[int, ...]:
    """The shape that the head of an IDX file says."""
    size = 4 * (1 + _IDX_AXES[contents])
    head = file.read(size)
    magic = int.from_bytes(head[:4], "big")
    wanted = next(number for number, held in _IDX_CONTENTS.items() if held == contents)
    if len(head) >= 4 and magic != wanted:
        found = f"holds {_IDX_CONTENTS[magic]}" if magic in _IDX_CONTENTS else "no IDX file of bytes"
        raise UserError(f"{path}: {found} (magic number {magic}), should hold {contents} ({wanted})")
    if len(head) < size:
        raise UserError(f"{path}: truncated: {len(head)} bytes, should begin with a head of {size}")
    return struct.unpack(f">{_IDX_AXES[contents]}I", head[4:])


def spec_of(height: int, width: int, classes: int) -> Spec:
    """The spec of images of bytes."""
    return {"kind": "image", "height": height, "width": width, "classes": classes, "maximum": 255}


def idx_images(
    name: str,
    *,
    version: str,
    description: str,
    url: str,
    checksums: dict[str, str],
    spec: Spec,
    classes: tuple[str, ...],
    validation: int,
) -> Callable[..., Loaded]:
    """Build the loader of a data set of four IDX files that have the names of MNIST's.

    Its first `validation` training examples are for validation; `checksums` are the files' SHA-256, by name.
    """

    def read(files: dict[str, Path]) -> Splits:
        return {
            split: read_pair(files[images], files[labels], spec)
            for split, (images, labels) in IDX_FILES.items()
        }

    def load(*, data_dir: str | None = None, manual_dir: str | None = None) -> Loaded:
        splits = builder.load(source, data_dir, manual_dir)
        train, held_out = (
            {name: array[rows] for name, array in splits["train"].items()}
            for rows in (slice(validation, None), slice(validation))
        )
        found = {"train": train, "validation": held_out, "test": splits["test"]}
        return Loaded(version, spec, found, classes=classes)

    shape = (spec["height"], spec["width"])
    features = {"inputs": Feature(shape, np.uint8), "targets": Feature((), np.int32)}
    source = Source(name, version, description, url, checksums, features, read)
    return load


MNIST_SPEC = spec_of(28, 28, 10)  # of Fashion-MNIST too
DIGIT_NAMES = tuple("0123456789")

load_mnist = idx_images(
    "mnist",
    version="1.0.0",
    description="MNIST: handwritten digits (from NIST's data), by Y. LeCun, C. Cortes and C. J. C. Burges.",
    url="https://storage.googleapis.com/cvdf-datasets/mnist/",  # where TFDS itself has them from
    checksums={
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    spec=MNIST_SPEC,
    classes=DIGIT_NAMES,
    validation=5_000,  # as TensorFlow's `read_data_sets` had it
)

load_fashion_mnist = idx_images(
    "fashion_mnist",
    version="1.0.0",
    description="Fashion-MNIST: articles of clothing, by H. Xiao, K. Rasul and R. Vollgraf (1708.07747).",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    checksums={
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    spec=MNIST_SPEC,
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    validation=5_000,
)

_DIGITS_SEED = 0
_DIGITS_COUNTS = {"test": 360, "validation": 180, "train": 1_257}  # in the order they are taken


DIGITS_SPEC: Spec = {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}


def load_digits() -> Loaded:
    """The 1,797 digits of scikit-learn (UCI's optical recognition of handwritten digits, its test part)."""
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    inputs = np.asarray(images).reshape(-1, 8, 8).astype(np.uint8)
    targets = np.asarray(labels).astype(np.int32)
    order = stratified_order(targets, _DIGITS_SEED)
    splits: Splits = {}
    start = 0
    for split, count in _DIGITS_COUNTS.items():
        rows = order[start : start + count]
        splits[split] = {"inputs": inputs[rows], "targets": targets[rows]}
        start += count
    ordered = {split: splits[split] for split in SPLITS}
    return Loaded("1.0.0", DIGITS_SPEC, ordered, classes=DIGIT_NAMES)
