"""Small valid files of images: IDX, PNG and JPEG."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import byte_changes
import numpy as np
from byte_changes import Change
from kind import Files, Kind, Wrong, build, change_first

from rnn_jax.datasets import idx
from rnn_jax.datasets.user_files import pictures

RANDOM = np.random.default_rng(0)
CLASSES = 3


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = RANDOM.integers(0, 256, (24, 4, 3)).astype(np.uint8)
LABELS = (np.arange(24) % CLASSES).astype(np.uint8)
IDX = {"images": _idx(IMAGES), "labels": _idx(LABELS)}
SPEC = idx.image_spec(4, 3, CLASSES)


def gzipped_within(data: bytes, change: Change, number: int) -> bytes:
    """Change the decompressed contents of a gzip file."""
    del number
    return gzip.compress(change(gzip.decompress(data)), mtime=0)


def _read_pair(folder: Path) -> Any:
    read = idx.read_pair(folder / "images", folder / "labels", SPEC)
    assert read["inputs"].shape == (len(read["targets"]), 4, 3), "the shapes differ"
    assert read["targets"].max() < CLASSES, "a label is out of range"
    return {name: array.tolist() for name, array in read.items()}


def _header(number: int, file: str) -> Callable[[Files], Files]:
    """Return a change of a number in the header of an IDX file: the magic number or the length of an axis."""

    def change(files: Files) -> Files:
        data = bytearray(files[file])
        at = 4 * (number % (4 if file == "images" else 2))
        old = int.from_bytes(data[at : at + 4], "big")
        new = (old + 1 + number // 16 % ((1 << 32) - 1)) % (1 << 32)
        data[at : at + 4] = new.to_bytes(4, "big")
        return {**files, file: bytes(data)}

    return change


def _label(files: Files, number: int) -> Files:
    labels = LABELS.copy()
    labels[number % len(labels)] = CLASSES + number // 32 % (256 - CLASSES)
    return {**files, "labels": _idx(labels)}


IDX_WRONG: Wrong = {
    "the header of the images": lambda files, number: _header(number, "images")(files),
    "the header of the labels": lambda files, number: _header(number, "labels")(files),
    "a label out of range": _label,
    "one label too few": lambda files, number: {**files, "labels": _idx(LABELS[:-1])},
    "one image too many": lambda files, number: {
        **files,
        "images": _idx(np.concatenate([IMAGES, IMAGES[:1]])),
    },
    "truncated": lambda files, number: {**files, "images": files["images"][: number % len(files["images"])]},
    "bytes after the end": lambda files, number: {**files, "images": files["images"] + bytes(1 + number % 9)},
    "swapped": lambda files, number: {"images": files["labels"], "labels": files["images"]},
    "empty": lambda files, number: {**files, "labels": b""},
}


def _packed(change: Callable[[Files, int], Files]) -> Callable[[Files, int], Files]:
    def changed(files: Files, number: int) -> Files:
        plain = {name: gzip.decompress(data) for name, data in files.items()}
        return {name: gzip.compress(data, mtime=0) for name, data in change(plain, number).items()}

    return changed


NAMES = {split: tuple(name.removesuffix(".gz") for name in names) for split, names in idx.FILES.items()}
OWN_IDX = {
    NAMES["train"][1]: IDX["labels"],
    NAMES["train"][0]: IDX["images"],
    NAMES["test"][0]: IDX["images"],
    NAMES["test"][1]: IDX["labels"],
}


def _picture(number: int, ending: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    grey = np.random.default_rng(number).integers(0, 256, (9, 7)).astype(np.uint8)
    Image.fromarray(grey).save(file, ending)
    return file.getvalue()


def _read_picture(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        found = pictures.read(folder / name)
        assert found.ndim == 2, "not a grey image"
        assert found.dtype == np.uint8, "not uint8"
        fitted = pictures.fit(found, 8, 8, 255)
        assert fitted.shape == (8, 8), "the size is wrong"
        return found.tolist()

    return read


def _chunk_within(data: bytes, change: Change, number: int) -> bytes:
    """Change one chunk of a PNG file and recompute its checksum."""
    parts, at = [], 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    chosen = number % len(parts)
    packed = data[:8]
    for place, (name, content) in enumerate(parts):
        body = name + (change(content) if place == chosen else content)
        packed += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return packed


PNG_WRONG: Wrong = {
    "dimensions of a terabyte": lambda files, number: change_first(
        files,
        lambda data: _chunk_within(data, byte_changes.overwrite(0, struct.pack(">II", 1 << 20, 1 << 20)), 0),
    ),
    "a flipped bit": lambda files, number: change_first(files, byte_changes.flip(number)),
    "truncated": lambda files, number: change_first(files, lambda data: data[: number % len(data)]),
}


def kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    packed = {name: gzip.compress(data, mtime=0) for name, data in IDX.items()}
    skipped = {"swapped"}  # only in the plain files
    return {
        "IDX": Kind(IDX, _read_pair, wrong=IDX_WRONG),
        "IDX labels": Kind(dict(reversed(IDX.items())), _read_pair),
        "IDX, gzip": Kind(
            packed,
            _read_pair,
            within=gzipped_within,
            is_exact=True,
            wrong={name: _packed(change) for name, change in IDX_WRONG.items() if name not in skipped},
        ),
        "own IDX": Kind(OWN_IDX, lambda folder: build("idx", folder, folder=str(folder))),
        "PNG": Kind(
            {"a.png": _picture(0, "png")},
            _read_picture("a.png"),
            within=_chunk_within,
            is_exact=True,
            wrong=PNG_WRONG,
        ),
        "JPEG": Kind({"a.jpg": _picture(0, "jpeg")}, _read_picture("a.jpg")),
        "pictures": Kind(
            {
                f"{label}/{number}.{ending}": _picture(number, {"jpg": "jpeg"}.get(ending, ending))
                for number in range(8)
                for label, ending in (("cat", "png"), ("dog", "jpg"))
            },
            lambda folder: build("image_folder", folder, folder=str(folder)),
        ),
    }
