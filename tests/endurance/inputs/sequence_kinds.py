"""Small valid files of measured sequences."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from byte_changes import Change
from kind import Files, Kind, Wrong, build

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


def _read_sequences(folder: Path) -> Any:
    blocks = inputs.read_input_sequences([str(folder / "a.npz")], {"features": 2})
    for block in blocks:
        for entry in block:
            assert (entry.value is None) != (entry.error is None), "neither a value nor an error"
    found = read_sequences(folder / "a.npz")
    assert found.targets is not None
    assert len(found.lengths) == len(found.targets) == len(found.rows), "counts differ"
    assert len(found.steps) == int(found.lengths.sum()), "the lengths do not sum to the number of steps"
    assert np.isfinite(found.steps).all(), "a value is not finite"
    return build("sequences", folder, file=str(folder / "a.npz"), truncate="keep_first")


def _arrays(**changed: Any) -> Callable[[Files, int], Files]:
    return lambda files, number: {"a.npz": npz(**{**ARRAYS, **changed})}


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


def _claim(files: Files, number: int) -> Files:
    """Change the length in the header of an .npy file."""
    count = (10**4, 10**9, 10**13, 10**30, -1)[number % 5]

    def change(data: bytes) -> bytes:
        size = int.from_bytes(data[8:10], "little")
        head = data[10 : 10 + size].decode().rstrip()
        opens = head.index("(") + 1
        end = min(head.index(mark, opens) for mark in ",)")
        new = (head[:opens] + str(count) + head[end:]).ljust(size - 1) + "\n"
        return data[:8] + len(new).to_bytes(2, "little") + new.encode() + data[10 + size :]

    return {"a.npz": _zipped_within(files["a.npz"], change, number // 8)}


def _of_bytes(files: Files, number: int) -> Files:
    """Return labels with an invalid code point."""
    del files
    codes = np.full((30, 2), 65, np.uint32)
    codes[number % 30, 1] = (0x110000, 0xD800, 0xFFFFFFFF)[number % 3]
    return {"a.npz": npz(**{**ARRAYS, "y": codes.view("<U2")[:, 0]})}


NPZ_WRONG: Wrong = {
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


def kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    file = {"a.npz": npz(**ARRAYS)}
    return {"sequences": Kind(file, _read_sequences, within=_zipped_within, wrong=NPZ_WRONG)}
