"""Small valid files of measured sequences."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from byte_changes import PLACES, Change
from hypothesis import strategies
from kind import Changes, Files, Kind, build, check_inputs

from rnn_jax.datasets.user_files import inputs
from rnn_jax.datasets.user_files.sequences import read_sequences

RANDOM = np.random.default_rng(0)
LENGTHS = np.arange(30) % 5 + 1
ARRAYS: dict[str, np.ndarray] = {
    "x": RANDOM.normal(size=(int(LENGTHS.sum()), 2)).astype(np.float32),
    "lengths": LENGTHS.astype(np.uint64),
    "y": np.array([f"class {number % 3}" for number in range(30)]),
}


def npz(**arrays: np.ndarray) -> bytes:
    """Return the bytes of an .npz file of these arrays."""
    file, named = io.BytesIO(), dict[str, Any](arrays)
    np.savez(file, **named)
    return file.getvalue()


def _zipped_within(data: bytes, change: Change, number: int) -> bytes:
    """Change the .npy file of one array inside the .npz file."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    chosen = sorted(members)[number % len(members)]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, change(content) if name == chosen else content)
    return file.getvalue()


def _predict(features: int, shifts: list[float] | None) -> Callable[[Path], Any]:
    """Return a function that reads new sequences of a model of that many features."""

    def fits(steps: np.ndarray) -> bool:
        fit = steps.dtype == np.float32 and steps.ndim == 2 and len(steps) > 0
        return fit and steps.shape[1] == features and bool(np.isfinite(steps).all())

    def predict(folder: Path) -> Any:
        inputs.check_files([str(folder / "a.npz")], "sequences")
        spec = {"features": features, "shifts": shifts}
        return check_inputs(folder, inputs.read_input_sequences([str(folder / "a.npz")], spec), fits)

    return predict


def _read_sequences(folder: Path) -> Any:
    found = read_sequences(folder / "a.npz")
    assert found.targets is not None
    assert len(found.lengths) == len(found.targets) == len(found.rows), "counts differ"
    assert len(found.steps) == int(found.lengths.sum()), "the lengths do not sum to the number of steps"
    assert np.isfinite(found.steps).all(), "a value is not finite"
    return build("sequences", folder, file=str(folder / "a.npz"), truncate="keep_first")


def _arrays(**changed: Any) -> Callable[[Files, int], Files]:
    return lambda files, number: {"a.npz": npz(**{**ARRAYS, **changed})}


def _alone(**arrays: Any) -> Callable[[Files, int], Files]:
    return lambda files, number: {"a.npz": npz(**arrays)}


def _renamed(x: str, y: str) -> Callable[[Files, int], Files]:
    return lambda files, number: {"a.npz": npz(**{x: PADDED, y: LABELS})}


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _pickled(files: Files, number: int) -> Files:
    del files
    name = sorted(ARRAYS)[number % 3]
    file = io.BytesIO()
    arrays: dict[str, Any] = {**ARRAYS, name: np.array([{"a": 1}] * 30, object)}
    np.savez(file, allow_pickle=True, **arrays)
    return {"a.npz": file.getvalue()}


def _length(files: Files, number: int) -> Files:
    del files
    lengths = ARRAYS["lengths"].copy()
    lengths[number % 30] = (0, 7, 200, 1 << 31, 1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1)[number // 32 % 8]
    return {"a.npz": npz(**{**ARRAYS, "lengths": lengths})}


def _with_header(data: bytes, edit: Callable[[str], str]) -> bytes:
    """Edit the header of an .npy file; return other files as they are."""
    size = int.from_bytes(data[8:10], "little")
    try:
        new = edit(data[10 : 10 + size].decode().rstrip()).ljust(size - 1) + "\n"
    except ValueError:
        return data
    return data[:8] + len(new).to_bytes(2, "little") + new.encode() + data[10 + size :]


def _claim(files: Files, number: int) -> Files:
    """Change the length in the header of an .npy file."""
    count = (10**4, 10**9, 10**13, 10**30, -1)[number % 5]

    def edit(head: str) -> str:
        opens = head.index("(") + 1
        end = min(head.index(mark, opens) for mark in ",)")
        return head[:opens] + str(count) + head[end:]

    return {"a.npz": _zipped_within(files["a.npz"], lambda data: _with_header(data, edit), number // 8)}


def _set_type(descriptor: str) -> Change:
    """Return a change of the type in the header of an .npy file."""

    def edit(head: str) -> str:
        start = head.index(":") + 1
        return f"{head[:start]} {descriptor}{head[head.index(', ', start) :]}"

    return lambda data: _with_header(data, edit)


def _set_value(place: int, packed: bytes) -> Change:
    """Return a change of a value in an .npy file."""

    def change(data: bytes) -> bytes:
        start = 10 + int.from_bytes(data[8:10], "little")
        at = start + place % max(1, (len(data) - start) // len(packed)) * len(packed)
        return data[:at] + packed + data[at + len(packed) :]

    return change


_TYPES = [f"'{order}{kind}{size}'" for order in "<>" for kind in "fiucUV" for size in (1, 2, 4, 8, 16)]
_OTHER_TYPES = [
    "'|b1'",
    "'|S4'",
    "'|S0'",
    "'<U0'",
    "'|V0'",
    "'|O'",
    "'<M8[ns]'",
    "'<m8[s]'",
    "'<M8'",
    "''",
    "3",
    "[('a', '<f4')]",
    "[('a', '<f4', (0,))]",
    "('<f4', (2,))",
    "'f4,f4'",
]
_FLOATS = (np.nan, np.inf, -np.inf, -0.0, 1e-45, 1e-40, 1e9, 1.7e9, 3e38, -3e38)
_DOUBLES = (*_FLOATS, 1e39, -1e300, 1e308, 5e-324, 2.0**53 + 2)
OF_ARRAYS = [
    strategies.builds(_set_type, strategies.sampled_from(_TYPES + _OTHER_TYPES)),
    strategies.builds(
        _set_value,
        PLACES,
        strategies.sampled_from(
            [struct.pack("<f", value) for value in _FLOATS] + [struct.pack("<d", value) for value in _DOUBLES]
        ),
    ),
    strategies.builds(
        lambda place, value, size: _set_value(place, (value % 256**size).to_bytes(size, "little")),
        PLACES,
        strategies.sampled_from((0, 1, -1, 127, 128, 1 << 24, 1 << 31, (1 << 31) - 1, 1 << 53, 1 << 63)),
        strategies.sampled_from((1, 2, 4, 8)),
    ),
]


def _of_bytes(files: Files, number: int) -> Files:
    """Return labels with an invalid code point."""
    del files
    codes = np.full((30, 2), 65, np.uint32)
    codes[number % 30, 1] = (0x110000, 0xD800, 0xFFFFFFFF)[number % 3]
    return {"a.npz": npz(**{**ARRAYS, "y": codes.view("<U2")[:, 0]})}


NPZ_WRONG: Changes = {
    "pickled objects": _pickled,
    "a wrong length": _length,
    "a wrong count": _claim,
    "an invalid code point": _of_bytes,
    "no y": lambda files, number: {"a.npz": npz(x=ARRAYS["x"], lengths=ARRAYS["lengths"])},
    "one label too few": _arrays(y=ARRAYS["y"][:-1]),
    "not finite": _arrays(x=np.full_like(ARRAYS["x"], np.inf)),
    "too large a target": _arrays(y=np.full(30, 1e300)),
    "no features": _arrays(x=ARRAYS["x"][:, :0]),
    "no targets": _arrays(y=np.zeros((30, 0))),
    "empty arrays": _arrays(x=np.zeros(0), lengths=np.zeros(0, int), y=np.zeros(0)),
}


PADDED = RANDOM.normal(size=(30, 5, 2))
FLAT = PADDED[:, :, 0]
LABELS, VALUES = np.arange(30) % 3, PADDED.sum(axis=(1, 2))
NPZ_WRONG = {
    **NPZ_WRONG,
    "keys X_train and y_train": _renamed("X_train", "y_train"),
    "keys arr_0 and arr_1": _renamed("arr_0", "arr_1"),
    "a key in capitals": _renamed("X", "Y"),
    "labels of steps": _alone(x=PADDED, y=np.tile(LABELS[:, None], 5)),
    "targets of steps": _alone(x=PADDED, y=PADDED),
    "one step, ambiguous": _alone(x=FLAT, y=LABELS, lengths=np.ones(30, int)),
    "one value that is not finite": lambda files, number: _alone(
        x=np.where(np.arange(150).reshape(30, 5, 1) == number % 150, _FLOATS[number % 3], PADDED), y=LABELS
    )(files, number),
    "a target that is not finite": _alone(x=PADDED, y=np.where(LABELS == 1, np.nan, 1.0)),
    "values of 1e300": _alone(x=PADDED * 1e300, y=LABELS),
    "complex numbers": _alone(x=PADDED * 1j, y=LABELS),
    "dates": _alone(x=np.arange(150).reshape(30, 5).astype("M8[s]"), y=LABELS),
    "strings of numbers": _alone(x=FLAT.astype(str), y=LABELS),
    "records": _alone(x=np.zeros((30, 5), [("a", "f4"), ("b", "f4")]), y=LABELS),
    "lengths that are real": _alone(x=PADDED, y=LABELS, lengths=LENGTHS.astype(float)),
    "lengths [examples, 1]": _alone(x=PADDED, y=LABELS, lengths=LENGTHS[:, None]),
    "lengths that are too many": _alone(x=PADDED, y=LABELS, lengths=np.append(LENGTHS, 1)),
    "four axes": _alone(x=PADDED[..., None], y=LABELS),
    "no axis": _alone(x=np.float32(1), y=LABELS),
    "one class": _alone(x=PADDED, y=0 * LABELS),
    "an array alone": lambda files, number: {"a.npz": _npy(PADDED)},
    "a pickle": lambda files, number: {"a.npz": pickle.dumps(ARRAYS)},
}
FORMS: dict[str, dict[str, Any]] = {
    "padded": dict(x=PADDED, y=LABELS, lengths=LENGTHS.astype(np.uint8)),
    "padded, one feature": dict(x=FLAT, y=LABELS == 1, lengths=LENGTHS.astype(np.int16)),
    "of one length": dict(x=PADDED, y=np.array([b"a", b"b", "ç".encode()])[LABELS]),
    "of one length, one feature": dict(x=FLAT, y=LABELS[:, None].astype(np.int8)),
    "packed, one feature": dict(x=FLAT.ravel()[: LENGTHS.sum()], y=LABELS, lengths=LENGTHS),
    "packed, some empty": dict(x=PADDED.reshape(150, 2)[:60], y=LABELS, lengths=np.where(LABELS == 1, 0, 3)),
    "big-endian": dict(x=PADDED.astype(">f8"), y=ARRAYS["y"].astype(">U9"), lengths=LENGTHS.astype(">i4")),
    "column-major": dict(x=np.asfortranarray(PADDED.astype(np.float32)), y=LABELS),
    "half precision": dict(x=PADDED.astype(np.float16), y=LABELS),
    "extended precision": dict(x=PADDED.astype(np.longdouble), y=VALUES.astype(np.longdouble)),
    "an offset of 1e9": dict(x=PADDED + 1e9, y=LABELS),
    "Unix times": dict(x=(1_700_000_000 + 100 * PADDED).astype(np.int64), y=LABELS),
    "large whole numbers": dict(x=((1 << 40) * PADDED).astype(np.int64), y=LABELS),
    "bools": dict(x=PADDED > 0, y=LABELS),
    "bytes": dict(x=(100 + 50 * PADDED).astype(np.uint8), y=LABELS.astype(np.uint64)),
    "one step": dict(x=PADDED[:, :1], y=LABELS),
    "one step, one feature": dict(x=FLAT[:, :1], y=LABELS),
    "a constant feature": dict(x=PADDED * [0, 1], y=LABELS),
    "more features than steps": dict(x=PADDED.transpose(0, 2, 1), y=LABELS),
    "real targets": dict(x=PADDED, y=VALUES),
    "real targets with an offset": dict(x=PADDED, y=VALUES + 1.2e9),
    "several targets": dict(x=PADDED, y=PADDED[:, 0], lengths=LENGTHS),
    "whole targets as floats": dict(x=PADDED, y=LABELS.astype(np.float32)),
}


def kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    kind = Kind({"a.npz": npz(**ARRAYS)}, _read_sequences, OF_ARRAYS, _zipped_within, wrong=NPZ_WRONG)
    found = {"sequences, packed": kind._replace(predict=_predict(2, None))}
    for name, arrays in FORMS.items():
        features = 5 if name.startswith("more") else 1 if "one feature" in name else 2
        shifts = [arrays["x"].mean()] * features if name in ("an offset of 1e9", "Unix times") else None
        found[f"sequences, {name}"] = Kind(
            {"a.npz": npz(**arrays)},
            _read_sequences,
            OF_ARRAYS,
            _zipped_within,
            predict=_predict(features, shifts),
        )
    return found
