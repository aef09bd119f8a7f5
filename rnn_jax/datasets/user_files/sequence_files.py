"""Reading of an `.npz` file of sequences: its arrays, and what is wrong with them."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets.archives import npz_names, read_npz
from rnn_jax.datasets.segmentation import normalize
from rnn_jax.datasets.user_files.offsets import LARGEST, is_in_range
from rnn_jax.runtime.errors import UserError, list_names, shorten

_PLAIN = {
    "x": ": x=np.concatenate(x), lengths=np.array([len(sequence) for sequence in x])",
    "y": ": y=y.astype(str), or of numbers to predict y=y.astype(float)",
}
_FLAT = "give the number of steps of each sequence in lengths"


class Sequences(NamedTuple):
    """The contents of a file, without empty sequences."""

    steps: np.ndarray  # the concatenated steps of all sequences, of the file's type [steps, features]
    lengths: np.ndarray  # int32 [examples]
    targets: np.ndarray | None  # y: labels as strings [examples], or floats [examples, outputs]
    rows: np.ndarray  # the number of each sequence in the file [examples]
    left_out: int  # the number of empty sequences
    faults: Mapping[int, str]  # of sequences with a value that is not in the range of float32, by row


def read_sequences(path: Path, *, needs_targets: bool = True) -> Sequences:
    """Read a file of sequences; raise UserError for arrays that do not fit together or are not finite."""
    found = read_with_faults(path, needs_targets=needs_targets)
    if found.faults:
        first, count = next(iter(found.faults.values())), len(found.faults)
        more = "" if count == 1 else f" (so {count:,} of {len(found.lengths):,} sequences)"
        raise UserError(f"{path}: {first}{more}; replace such values, or leave these sequences out")
    return found


def read_with_faults(path: Path, *, needs_targets: bool) -> Sequences:
    """Read a file; values that are not finite, or too large, are in `faults`. Without targets, y is not read.

    Raises UserError for arrays that do not fit together.
    """
    needed = ("x", "y") if needs_targets else ("x",)
    arrays = read_npz(path, (*needed, "lengths"), _PLAIN)
    if any(name not in arrays for name in needed):
        raise UserError(f"{path}: {_describe_missing(needed, npz_names(path))}")
    x, y = arrays["x"], arrays.get("y")
    if x.dtype.kind not in "fiub":
        remedy = {"U": "; save x.astype(float)", "M": "; save x.astype(int)"}.get(x.dtype.kind, "")
        raise UserError(f"{path}: x has type {x.dtype}: must be numbers{remedy}")
    if y is not None and y.ndim == 0:
        raise UserError(f"{path}: y is a single value: must be labels [examples] or real numbers")
    steps, lengths = _concatenate(path, x, arrays.get("lengths"))
    if y is not None and len(y) != len(lengths):
        found = f"y has {len(y):,} examples, but x is {_shape(x)}, which has {len(lengths):,}: must be equal"
        is_maybe_flat = x.ndim == 2 and "lengths" not in arrays and len(y) < len(x)
        remedy = f"; if x has the steps of all sequences, {_FLAT}" if is_maybe_flat else ""
        raise UserError(f"{path}: {found}{remedy}")
    rows = np.flatnonzero(lengths)
    if not len(rows):
        raise UserError(f"{path}: has no sequence with a step")
    targets = None if y is None else _read_targets(path, y)[rows]
    faults = _find_faults(steps, lengths)
    return Sequences(steps, lengths[rows].astype(np.int32), targets, rows, len(lengths) - len(rows), faults)


def _describe_missing(needed: Sequence[str], names: Sequence[str]) -> str:
    """Return a message: which of the needed arrays are missing, and what to type where others may be them."""
    missing = [name for name in needed if name not in names]
    likely = sorted(names, key=lambda each: "train" not in each.lower())
    starts = {"x": ("x", "data", "input", "arr_0"), "y": ("y", "label", "target", "arr_1")}
    saved = []
    for name in needed:
        guess = next((each for each in likely if each.lower().startswith(starts[name])), "...")
        saved.append(f'{name}=arrays["{shorten(guess)}"]')
    found = f"has no array {' and '.join(missing)}, only {list_names(names) or 'none'}"
    remedy = f"arrays = np.load(FILE); np.savez(OTHER_FILE, {', '.join(saved)})"
    return f"{found}: name the arrays x and y, {remedy}"


def _find_faults(steps: np.ndarray, lengths: np.ndarray) -> dict[int, str]:
    """Describe the first step that float32 has no value for, of each row with one."""
    if steps.dtype.kind != "f":
        return {}
    ends, faults = np.cumsum(lengths), dict[int, str]()
    for place in np.flatnonzero(~is_in_range(steps).all(axis=1)):
        row = int(np.searchsorted(ends, place, side="right"))
        feature = int(is_in_range(steps[place]).argmin())
        value, step = steps[place, feature], place - int(ends[row] - lengths[row])
        limit = f" of at most {LARGEST:.1e}; divide x by a constant" if np.isfinite(value) else ""
        where = f"row {row:,} of x, step {step:,}, feature {feature:,}"
        faults.setdefault(row, f"{where}: {value}: must be finite numbers{limit}")
    return faults


def _concatenate(path: Path, x: np.ndarray, lengths: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps [steps, features] without padding, and lengths [examples]."""
    shape = _shape(x)
    wrong = f"x is {shape}: must be [examples, steps, features], or [steps, features] of all sequences"
    if lengths is not None:
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
            raise UserError(f"{path}: lengths is {_shape(lengths)}: must be whole numbers [examples]")
        # Checked before the conversion, which may overflow, as may the sum of greater lengths.
        _check_lengths(path, lengths, max(x.shape, default=0))
        lengths = lengths.astype(np.int64)
        total, longest = sum(lengths.tolist()), int(lengths.max(initial=0))
        if x.ndim in (1, 2) and x.size and total == len(x):
            if x.ndim == 2 and len(lengths) == len(x) and longest <= x.shape[1] > 1:
                raise UserError(f"{path}: {_describe_readings(x, lengths)}")
            return x.reshape(len(x), -1), lengths
        if x.ndim > 1 and len(lengths) != len(x):
            found = f"lengths has {len(lengths):,} values of sum {total:,}"
            raise UserError(f"{path}: {found}, but {wrong}, as lengths says")
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3 or 0 in x.shape:
        raise UserError(f"{path}: {wrong}; then {_FLAT}")
    if lengths is None:
        lengths = np.full(len(x), x.shape[1])
    _check_lengths(path, lengths, x.shape[1])
    return x[np.arange(x.shape[1])[None, :] < lengths[:, None]], lengths


def _describe_readings(x: np.ndarray, lengths: np.ndarray) -> str:
    """Describe the two readings of x [N, M] with N lengths of sum N."""
    (count, size), is_one_step = x.shape, bool((lengths == 1).all())
    packed = "save x[:, None] without lengths" if is_one_step else "leave the empty sequences out"
    return (
        f"x is {_shape(x)}, and lengths has {count:,} values of sum {count:,}: either sequences of up to "
        f"{size:,} steps of one feature, with padding (save x[:, :, None]), or {count:,} steps of {size:,} "
        f"features ({packed})"
    )


def _check_lengths(path: Path, lengths: np.ndarray, steps: int) -> None:
    wrong = np.flatnonzero((lengths < 0) | (lengths > steps))
    if wrong.size:
        row = int(wrong[0])
        found = f"row {row:,} of lengths is {int(lengths[row]):,}"
        raise UserError(f"{path}: {found}: must be 0 to {steps:,}, the steps of x")


def _is_one_hot(y: np.ndarray) -> bool:
    return y.ndim == 2 and y.dtype.kind in "iub" and bool(((y != 0).sum(axis=1) == 1).all())


def _read_real_targets(path: Path, y: np.ndarray) -> np.ndarray:
    if y.size == 0:
        raise UserError(f"{path}: y is {_shape(y)}: must have at least one number for each example")
    if y.ndim > 2:
        problem = "must be [examples] or [examples, outputs]: real numbers for each step are not supported"
        remedy = "save those of one step, y[:, -1], or all as outputs of the sequence, y.reshape(len(y), -1)"
        raise UserError(f"{path}: y is {_shape(y)}: {problem}; {remedy}")
    y = y.reshape(len(y), -1)
    wrong = np.flatnonzero(~is_in_range(y).all(axis=1))
    if wrong.size:
        values, count = ", ".join(map(str, y[wrong[0]])), f"{wrong.size:,} of {len(y):,} rows"
        problem = f"must be finite numbers of at most {LARGEST:.1e}; {count} have others"
        raise UserError(f"{path}: row {wrong[0]:,} of y: {values}: {problem}")
    return y


def _read_targets(path: Path, y: np.ndarray) -> np.ndarray:
    """Return labels as strings [examples], or real numbers, floats [examples, outputs]."""
    if y.dtype.kind == "f":
        return _read_real_targets(path, y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iubUS":
        if y.ndim > 1 and y.shape[1] > 1 and not _is_one_hot(y):
            problem = "must be labels [examples]: labels for each step are not supported"
            raise UserError(f"{path}: y is {_shape(y)}: {problem}; save those of one step, y[:, -1]")
        remedy = "; save y.argmax(axis=1) if it is one-hot" if _is_one_hot(y) else ""
        raise UserError(f"{path}: y is {_shape(y)}: must be labels [examples] or real numbers{remedy}")
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeError as error:
            raise UserError(f"{path}: y has labels that are bytes and not UTF-8") from error
    if y.dtype.kind == "U":
        points = np.ascontiguousarray(y).view(np.dtype(np.uint32).newbyteorder(y.dtype.byteorder))
        if ((points > sys.maxunicode) | ((points >= 0xD800) & (points < 0xE000))).any():
            raise UserError(f"{path}: y has labels with invalid characters")
    return np.array([normalize(label) for label in y.tolist()]) if y.dtype.kind == "U" else y.astype(str)


def _shape(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"
