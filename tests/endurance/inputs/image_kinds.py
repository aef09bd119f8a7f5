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
from kind import Changes, Files, Kind, build, change_first, check_inputs

from rnn_jax.datasets import idx
from rnn_jax.datasets.user_files import inputs, pictures

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


IDX_WRONG: Changes = {
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


def _read_own(folder: Path) -> Any:
    return build("idx", folder, folder=str(folder))


def _swapped(data: bytes) -> bytes:
    """Write the numbers of the header, or without the magic number, in the other order."""
    numbers = struct.unpack(f">{1 + data[3]}I", data[: 4 + 4 * data[3]])
    return struct.pack(f"<{len(numbers)}I", *numbers) + data[4 * len(numbers) :]


def _without_first(files: Files, number: int) -> Files:
    return {name: data for name, data in files.items() if name != sorted(files)[number % 4]}


OWN_IDX_WRONG: Changes = {
    "byte-swapped": lambda files, number: change_first(files, _swapped),
    "byte-swapped sizes": lambda files, number: change_first(
        files, lambda data: data[:4] + _swapped(data)[4:]
    ),
    "another type": lambda files, number: change_first(
        files, lambda data: data[:2] + bytes([(9, 11, 12, 13, 14, 0)[number % 6]]) + data[3:]
    ),
    "a missing file": _without_first,
    "images for labels": lambda files, number: change_first(files, lambda data: IDX["images"]),
}


def picture(number: int, ending: str, mode: str = "L") -> bytes:
    """Return the bytes of a small picture in a mode of Pillow."""
    from PIL import Image

    file, random = io.BytesIO(), np.random.default_rng(number)
    made = Image.fromarray(random.integers(0, 256, (9, 7)).astype(np.uint8))
    options: dict[str, Any] = {}
    if mode == "I;16":
        made = Image.fromarray(random.integers(0, 201, (9, 7)).astype(np.uint16))
    elif mode == "P":
        made, options = made.quantize(9), {"transparency": bytes(range(0, 180, 20))}
    else:
        made = made.convert(mode)
    if mode == "1":
        options = {"transparency": 0}
    if mode in ("LA", "RGBA"):
        made.putalpha(Image.fromarray(random.integers(0, 256, (9, 7)).astype(np.uint8)))
    if ending == "jpeg" and mode == "RGB":
        orientation = Image.Exif()
        orientation[0x0112] = 6  # turned by a quarter
        options = {"progressive": True, "exif": orientation.tobytes()}
    made.save(file, ending, **options)
    return file.getvalue()


def predict_picture(name: str, white: int | None = None) -> Callable[[Path], Any]:
    """Return a function that reads a new picture of a model of images of 8x6 pixels."""
    spec: dict[str, Any] = {"height": 8, "width": 6, "maximum": 16}
    spec |= {} if white is None else {"sixteen_bit_white": white}

    def fits(image: np.ndarray) -> bool:
        return image.shape == (8, 6) and image.dtype == np.uint8 and int(image.max()) <= 16

    def predict(folder: Path) -> Any:
        inputs.check_files([str(folder / name)], "images")
        blocks = inputs.read_input_images([str(folder / name)], spec, "dark", inverts=True)
        return check_inputs(folder, blocks, fits)

    return predict


def _read_picture(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        (found,) = pictures.read_all([folder / name])
        assert found.ndim == 2, "not a grey image"
        assert found.dtype in (np.uint8, np.uint16), "neither uint8 nor uint16"
        fitted = pictures.fit(pictures.to_8_bits(found, max(1, int(found.max()))), 8, 8, 255)
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
        if place == chosen:
            is_decoded = name == b"IDAT" and number % 2
            content = zlib.compress(change(zlib.decompress(content))) if is_decoded else change(content)
        body = name + content
        packed += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return packed


PNG_WRONG: Changes = {
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
        "own IDX": Kind(OWN_IDX, _read_own, wrong=OWN_IDX_WRONG),
        "own IDX, gzip": Kind(
            {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in OWN_IDX.items()},
            _read_own,
            within=gzipped_within,
            wrong={name: _packed(change) for name, change in OWN_IDX_WRONG.items()},
        ),
        **_pictures(),
    }


def _pictures() -> dict[str, Kind]:
    found = {}
    for mode in ("L", "1", "I;16", "P", "LA", "RGBA", "RGB"):
        predict = predict_picture("a.png", 255 if mode == "I;16" else None)
        kind = Kind(
            {"a.png": picture(0, "png", mode)},
            _read_picture("a.png"),
            within=_chunk_within,
            is_exact=True,
            wrong=PNG_WRONG,
            predict=predict,
        )
        found[f"PNG, {mode}"] = kind
    for mode in ("L", "RGB", "CMYK"):
        files = {"a.jpg": picture(0, "jpeg", mode)}
        found[f"JPEG, {mode}"] = Kind(files, _read_picture("a.jpg"), predict=predict_picture("a.jpg"))
    return found
