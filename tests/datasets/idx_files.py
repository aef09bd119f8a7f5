"""Hand-made IDX files: a data set of 500 and six images, small enough to be prepared in each test."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets.dataset import Dataset, Splits
from rnn_jax.datasets.idx import image_spec
from rnn_jax.datasets.published import images

HEIGHT, WIDTH, CLASSES, VALIDATION = 4, 3, 3, 5
COUNTS = {"train": 500, "test": 6}
PREFIXES = {"train": "train", "test": "t10k"}


Loader = Callable[..., Dataset]


class Tiny(NamedTuple):
    """The loader of a data set, the folder of its files, and what the files hold."""

    loader: Loader
    folder: Path
    contents: Splits  # as in the files: "train" and "test"


def idx(array: np.ndarray) -> bytes:
    """The IDX file of an array of bytes."""
    return (
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def images_name(split: str) -> str:
    return f"{PREFIXES[split]}-images-idx3-ubyte.gz"


def labels_name(split: str) -> str:
    return f"{PREFIXES[split]}-labels-idx1-ubyte.gz"


def write_files(folder: Path, seed: int = 0) -> Splits:
    """Writes the four files, with random contents, into a new folder."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    contents: Splits = {}
    for split, count in COUNTS.items():
        inputs = random.integers(256, size=(count, HEIGHT, WIDTH)).astype(np.uint8)
        targets = random.integers(CLASSES, size=count).astype(np.int32)
        (folder / images_name(split)).write_bytes(gzip.compress(idx(inputs)))
        (folder / labels_name(split)).write_bytes(gzip.compress(idx(targets)))
        contents[split] = {"inputs": inputs, "targets": targets}
    return contents


def loader_of(folder: Path, url: str) -> Loader:
    """The loader of the data set `tiny`, whose original files are those that lie in the folder now."""
    return images.idx_loader(
        "tiny",
        description="500 and six images of noise",
        url=url,
        checksums={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())
        },
        spec=image_spec(HEIGHT, WIDTH, CLASSES),
        classes=tuple("abc"),
        validation=VALIDATION,
    )


def load(loader: Loader, data_dir: str | None, manual_dir: str | None) -> Splits:
    """The splits of a data set."""
    return loader(data_dir=data_dir, manual_dir=manual_dir).splits


def assert_splits(splits: Splits, contents: Splits) -> None:
    """Asserts that the splits hold the files' contents, in order, validation cut from the front of train."""
    parts = {
        "train": (contents["train"], slice(VALIDATION, None)),
        "validation": (contents["train"], slice(None, VALIDATION)),
        "test": (contents["test"], slice(None)),
    }
    assert splits.keys() == parts.keys()
    for split, (arrays, rows) in parts.items():
        for name, dtype in (("inputs", np.uint8), ("targets", np.int32)):
            assert splits[split][name].dtype == dtype
            np.testing.assert_array_equal(splits[split][name], arrays[name][rows])
