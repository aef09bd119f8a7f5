"""IDX files, sound and broken, and the digits."""

import gzip
import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import idx
from PIL import Image

from rnn_jax import datasets
from rnn_jax.datasets.idx import FILES, read_idx, read_pair
from rnn_jax.runtime.errors import UserError

IMAGES = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
LABELS = np.array([2, 0], np.uint8)
SPEC: dict[str, int | str] = {"kind": "image", "height": 4, "width": 3, "classes": 3, "maximum": 255}
DIGITS_SPLIT = "d13d88eb1fc28a396fe2ba66373b788f6a7e57e08dd35a8defbb9a785c252843"
COLLECTION = os.environ.get("RNN_JAX_DATA")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files_are_read(tmp_path: Path, pack) -> None:
    pair = read_pair(write(tmp_path / "i", pack(idx(IMAGES))), write(tmp_path / "l", pack(idx(LABELS))), SPEC)
    np.testing.assert_array_equal(pair["inputs"], IMAGES)
    np.testing.assert_array_equal(pair["targets"], LABELS)
    assert (pair["inputs"].dtype, pair["targets"].dtype) == (np.uint8, np.int32)


WRONG_IMAGES = {
    "empty": (b"", "truncated: 0 bytes: must begin with a header of 16"),
    "half a head": (idx(IMAGES)[:9], "truncated: 9 bytes: must begin with a header of 16"),
    "cut off": (idx(IMAGES)[:-1], "truncated: 23 bytes of images: the header claims 24"),
    "too long": (idx(IMAGES) + b"0", "too long: 25 bytes of images: the header claims 24"),
    "gzip cut off": (gzip.compress(idx(IMAGES))[:-9], "truncated: the gzip stream has no end"),
    "gzip damaged": (gzip.compress(idx(IMAGES))[:10] + b"\xff" * 40, "damaged: "),
    "gzip checksum": (gzip.compress(idx(IMAGES))[:-8] + b"\0" * 8, "damaged: "),
    "labels": (idx(LABELS), "has labels (magic number 2049): must have images (2051)"),
    "a web page": (
        b"<!DOCTYPE html>",
        "not an IDX file (magic number 1008813135): must have images (2051)",
    ),
    "transposed": (idx(IMAGES.swapaxes(1, 2)), "has images of 3x4 pixels: must be 4x3"),
    "none": (idx(IMAGES[:0]), "has no images"),
    "little-endian": (
        b"\3\x08\0\0" + struct.pack("<III", 2, 4, 3) + IMAGES.tobytes(),
        "has images with little-endian numbers, which no IDX file has (magic number 50855936): must have",
    ),
    "little-endian sizes": (
        b"\0\0\x08\3" + struct.pack("<III", 2, 4, 3) + IMAGES.tobytes(),
        "has a header with little-endian sizes: must be big-endian",
    ),
    "in colour": (
        idx(IMAGES[..., None].repeat(3, axis=-1)),
        "has bytes of 4 axes (magic number 2052): must have images (2051)",
    ),
    "floats": (
        b"\0\0\x0d\3" + struct.pack(">III", *IMAGES.shape) + IMAGES.astype(">f4").tobytes(),
        "has floats of 3 axes (magic number 3331): must have images (2051)",
    ),
}


@pytest.mark.parametrize("case", WRONG_IMAGES)
def test_wrong_images(tmp_path: Path, case: str) -> None:
    data, message = WRONG_IMAGES[case]
    path, labels_path = write(tmp_path / "images", data), write(tmp_path / "labels", idx(LABELS))
    with pytest.raises(UserError) as raised:
        read_pair(path, labels_path, SPEC)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


WRONG_LABELS = {
    "out of range": (idx(np.array([0, 3, 9])), "label 1 is 3: must be in 0 to 2"),
    "cut off": (idx(LABELS)[:-1], "truncated: 1 bytes of labels: the header claims 2"),
    "images": (idx(IMAGES), "has images (magic number 2051): must have labels (2049)"),
    "none": (idx(LABELS[:0]), "has no labels"),
    "32-bit integers": (
        b"\0\0\x0c\1" + struct.pack(">I", 2) + LABELS.astype(">i4").tobytes(),
        "has 32-bit integers of 1 axis (magic number 3073): must have labels (2049)",
    ),
}


@pytest.mark.parametrize("case", WRONG_LABELS)
def test_wrong_labels(tmp_path: Path, case: str) -> None:
    data, message = WRONG_LABELS[case]
    images_path, path = write(tmp_path / "images", idx(IMAGES)), write(tmp_path / "labels", data)
    with pytest.raises(UserError) as raised:
        read_pair(images_path, path, SPEC)
    assert str(raised.value) == f"{path}: {message}"


def test_counts_that_do_not_agree(tmp_path: Path) -> None:
    images_path, labels_path = write(tmp_path / "i", idx(IMAGES)), write(tmp_path / "l", idx(LABELS[:1]))
    with pytest.raises(UserError, match=r"i: has 2 images, but l has 1 labels: must be equal"):
        read_pair(images_path, labels_path, SPEC)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_idx(tmp_path, "labels")


def test_digits() -> None:
    digits = datasets.build_dataset(name="digits", batch_size=64)
    assert digits.spec == {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}
    counts = {split: len(arrays["targets"]) for split, arrays in digits.splits.items()}
    assert counts == {"train": 1_257, "validation": 180, "test": 360}
    whole = np.concatenate([arrays["inputs"] for arrays in digits.splits.values()]).reshape(1_797, 64)
    assert (
        len(np.unique(whole, axis=0)) == 1_797
    )  # the original has no two equal images: none is in two splits
    assert (whole.dtype, whole.min(), whole.max()) == (np.uint8, 0, 16)
    labels = np.concatenate([arrays["targets"] for arrays in digits.splits.values()])
    shares = np.bincount(labels) / 1_797
    for arrays in digits.splits.values():
        targets = arrays["targets"]
        assert targets.dtype == np.int32
        assert np.abs(np.bincount(targets) - shares * len(targets)).max() <= 1


def test_digits_split_stays_as_it_is() -> None:
    splits = datasets.build_dataset(name="digits", batch_size=64).splits
    digest = hashlib.sha256()
    for split in ("train", "validation", "test"):
        digest.update(splits[split]["inputs"].tobytes() + splits[split]["targets"].astype("<i4").tobytes())
    assert digest.hexdigest() == DIGITS_SPLIT, (
        "The split of the digits changed, and with it every recorded figure. If meant, give the entry a new "
        "version, and write the new hash here."
    )


def test_digits_take_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset\.manual_dir = .*: not a key of digits"):
        datasets.build_dataset(name="digits", batch_size=64, manual_dir=str(tmp_path))


@pytest.mark.skipif(COLLECTION is None, reason="RNN_JAX_DATA is not set")
@pytest.mark.matrix
def test_real_mnist(prepared_real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_JAX_DATA", str(COLLECTION))
    mnist = datasets.build_dataset(name="mnist", batch_size=128, data_dir=str(prepared_real_data))
    shapes = {split: arrays["inputs"].shape for split, arrays in mnist.splits.items()}
    assert shapes == {"train": (55_000, 28, 28), "validation": (5_000, 28, 28), "test": (10_000, 28, 28)}
    assert list(mnist.splits["validation"]["targets"][:5]) == [5, 0, 4, 1, 9]  # as the file of train begins
    published = [980, 1_135, 1_032, 1_010, 982, 892, 958, 1_028, 974, 1_009]
    assert list(np.bincount(mnist.splits["test"]["targets"])) == published
    train_mean = np.concatenate([mnist.splits[s]["inputs"] for s in ("train", "validation")]).mean() / 255
    assert round(float(train_mean), 5) == 0.13066


@pytest.mark.skipif(COLLECTION is None, reason="RNN_JAX_DATA is not set")
@pytest.mark.matrix
def test_real_mnist_is_the_same_as_idx_files_and_as_pictures(
    prepared_real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images, labels and their order; `configs/images.py` has the recipe of `configs/mnist.py`."""
    monkeypatch.setenv("RNN_JAX_DATA", str(COLLECTION))
    keys: dict[str, Any] = {"batch_size": 128, "data_dir": str(prepared_real_data)}
    mnist = datasets.build_dataset(name="mnist", **keys)
    originals = Path(str(COLLECTION)) / "mnist"
    idx_files = datasets.build_dataset(name="idx", folder=str(originals), **keys)
    assert (idx_files.spec, idx_files.classes) == (mnist.spec, mnist.classes)
    for split, arrays in mnist.splits.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(idx_files.splits[split][name], array, strict=True)
    first = {"train": slice(0, 5_500), "test": slice(0, 500)}  # all 70,000 take minutes
    for split, (images, labels) in FILES.items():
        arrays = read_pair(originals / images, originals / labels)
        pairs = zip(arrays["inputs"][first[split]], arrays["targets"], strict=False)
        for number, (image, label) in enumerate(pairs):
            path = tmp_path / "png" / split / str(label) / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path, compress_level=1)
    keys |= {"data_dir": str(tmp_path / "data"), "folder": str(tmp_path / "png")}
    png = datasets.build_dataset(name="image_folder", validation_examples=5_000, **keys)
    assert (png.spec, png.classes) == (mnist.spec, mnist.classes)
    assert png.counts == {"train": 500, "validation": 5_000, "test": 500}
    for split, arrays in png.splits.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, mnist.splits[split][name][: len(array)], strict=True)
