"""A user's measured sequences, from `.npz` files with the arrays x, y and lengths.

    x        [examples, steps, features], or [examples, steps] of one feature, padded to the longest sequence;
             or the concatenated steps of all sequences [steps, features]
    lengths  [examples], whole numbers: required if sequences have different lengths
    y        labels [examples] or [examples, 1]: whole numbers, strings or bools;
             or real numbers [examples] or [examples, outputs]

Files with pickled objects are an error.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.config.sections.dataset import Sequences as Options
from rnn_jax.datasets import prepared
from rnn_jax.datasets.archives import read_npz
from rnn_jax.datasets.dataset import Dataset, Spec, Splits, truncate_sequences
from rnn_jax.datasets.safe_reading import hash_splits, split_paths
from rnn_jax.datasets.splitting import add_missing_splits, fold_splits, number_classes
from rnn_jax.runtime.errors import UserError


class Sequences(NamedTuple):
    """The contents of a file, without empty sequences."""

    steps: np.ndarray  # the concatenated steps of all sequences, float32 [steps, features]
    lengths: np.ndarray  # int32 [examples]
    targets: np.ndarray | None  # y: labels as strings [examples], or float32 [examples, outputs]
    rows: np.ndarray  # the number of each sequence in the file [examples]
    left_out: int  # the number of empty sequences


def load_sequences(**keys: Any) -> Dataset:
    """Load a user's sequences, with the keys of the config section `Sequences`.

    A split without a file is a stratified tenth of `file`. Raises UserError for a file that is invalid or
    does not fit the others, and for a class with one sequence.
    """
    options = Options.model_construct(**keys)
    paths = split_paths(options)
    read = {split: read_sequences(path) for split, path in paths.items()}
    targets = {split: each.targets for split, each in read.items() if each.targets is not None}
    expected = _describe(read["train"], targets["train"])
    for split, sequences in read.items():
        if (found := _describe(sequences, targets[split])) != expected:
            raise UserError(f"{paths[split]}: has {found}: must have {expected}, as {paths['train']}")
    classes: tuple[str, ...] = ()
    if targets["train"].dtype.kind != "f":
        labels = {split: own.tolist() for split, own in targets.items()}
        classes, targets = number_classes(labels, paths)
    splits: Splits = {}
    for split, each in read.items():
        splits[split] = {"lengths": each.lengths, "targets": targets[split], "steps": each.steps}
    splits = add_missing_splits(splits, classes, paths["train"])
    splits = fold_splits(splits, options.validation_folds, options.validation_fold, paths["train"])
    left_out = sum(sequences.left_out for sequences in read.values())
    notes = (f"{left_out:,} empty sequences left out",) if left_out else ()
    version = prepared.version_of(hash_splits(paths))
    data = Dataset(version, {}, splits, None, classes, notes)
    data = truncate_sequences(data, options.max_length, options.truncate)
    return data._replace(spec=sequences_spec(data.splits["train"], classes))


def _describe(sequences: Sequences, targets: np.ndarray) -> str:
    kind = f"{targets.shape[1]} real numbers as targets" if targets.dtype.kind == "f" else "labels"
    return f"{sequences.steps.shape[1]} features and {kind}"


def sequences_spec(train: dict[str, np.ndarray], classes: tuple[str, ...]) -> Spec:
    """Return the spec of sequences, with the mean and standard deviation of each feature of `train["steps"]`.

    For regression, without classes, it has the means and deviations of `train["targets"]`, too.
    """
    means, deviations = _mean_and_deviation(train["steps"])
    spec: Spec = {"kind": "sequences", "features": len(means), "means": means, "deviations": deviations}
    if classes:
        return {**spec, "classes": len(classes)}
    means, deviations = _mean_and_deviation(train["targets"])
    return {**spec, "outputs": len(means), "target_means": means, "target_deviations": deviations}


def _mean_and_deviation(values: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the mean and standard deviation of each feature of values [examples, features]; not 0 but 1."""
    means, deviations = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    return means.tolist(), np.where(deviations > 0, deviations, 1.0).tolist()


def read_sequences(path: Path, *, needs_targets: bool = True) -> Sequences:
    """Read a file of sequences; raise UserError for arrays that do not fit together or are not finite."""
    arrays = read_npz(path, ("x", "y", "lengths"))
    for name in ("x", "y") if needs_targets else ("x",):
        if name not in arrays:
            raise UserError(f"{path}: has no array {name}, only {', '.join(sorted(arrays)) or 'others'}")
    x, y = arrays["x"], arrays.get("y")
    if x.dtype.kind not in "fiub":
        raise UserError(f"{path}: x has type {x.dtype}: must be numbers")
    if y is not None and y.ndim == 0:
        raise UserError(f"{path}: y is a single value: must be labels [examples] or real numbers")
    steps, lengths = _concatenate(path, x, arrays.get("lengths"), None if y is None else len(y))
    if y is not None and len(y) != len(lengths):
        raise UserError(f"{path}: y has {len(y):,} examples: must be {len(lengths):,}, as x")
    with np.errstate(over="ignore"):
        steps = steps.astype(np.float32)
    wrong = ~np.isfinite(steps).all(axis=1)
    if wrong.any():
        place, ends = int(wrong.argmax()), np.cumsum(lengths)
        row = int(np.searchsorted(ends, place, side="right"))
        step, values = place - int(ends[row] - lengths[row]), ", ".join(map(str, steps[place]))
        raise UserError(f"{path}: row {row:,} of x, step {step:,}: {values}: must be finite numbers")
    rows = np.flatnonzero(lengths)
    if not len(rows):
        raise UserError(f"{path}: has no sequence with a step")
    targets = None if y is None else _read_targets(path, y)[rows]
    return Sequences(steps, lengths[rows].astype(np.int32), targets, rows, len(lengths) - len(rows))


def _concatenate(
    path: Path, x: np.ndarray, lengths: np.ndarray | None, examples: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps [steps, features] without padding, and lengths [examples]."""
    if lengths is not None:
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
            raise UserError(f"{path}: lengths is {_shape(lengths)}: must be whole numbers [examples]")
        # Checked before the conversion, which may overflow, as may the sum of greater lengths.
        _check_lengths(path, lengths, max(x.shape, default=0))
        lengths = lengths.astype(np.int64)
        is_flat = x.ndim == 1 or (x.ndim == 2 and len(lengths) != len(x))
        if is_flat and x.size and sum(lengths.tolist()) == len(x):
            return x.reshape(len(x), -1), lengths
        examples = len(lengths)
    shape = _shape(x)
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3 or 0 in x.shape or examples not in (None, len(x)):
        flat = "[steps, features] with the number of steps of each sequence in lengths"
        raise UserError(f"{path}: x is {shape}: must be [examples, steps, features], or {flat}")
    if lengths is None:
        lengths = np.full(len(x), x.shape[1])
    _check_lengths(path, lengths, x.shape[1])
    return x[np.arange(x.shape[1])[None, :] < lengths[:, None]], lengths


def _check_lengths(path: Path, lengths: np.ndarray, steps: int) -> None:
    wrong = np.flatnonzero((lengths < 0) | (lengths > steps))
    if wrong.size:
        row = int(wrong[0])
        found = f"row {row:,} of lengths is {int(lengths[row]):,}"
        raise UserError(f"{path}: {found}: must be 0 to {steps:,}, the steps of x")


def _read_targets(path: Path, y: np.ndarray) -> np.ndarray:
    """Return labels as strings [examples], or real numbers, float32 [examples, outputs]."""
    if y.dtype.kind == "f":
        if y.size == 0:
            raise UserError(f"{path}: y is {_shape(y)}: must have at least one number for each example")
        with np.errstate(over="ignore"):
            y = y.reshape(len(y), -1).astype(np.float32)
        wrong = ~np.isfinite(y).all(axis=1)
        if wrong.any():
            raise UserError(f"{path}: row {int(wrong.argmax()):,} of y: must be finite numbers")
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iubUS":
        raise UserError(f"{path}: y is {_shape(y)}: must be labels [examples] or real numbers")
    if y.dtype.kind == "S":
        try:
            return np.char.decode(y, "utf-8")
        except UnicodeError as error:
            raise UserError(f"{path}: y has labels that are bytes and not UTF-8") from error
    if y.dtype.kind == "U":
        points = np.ascontiguousarray(y).view(np.dtype(np.uint32).newbyteorder(y.dtype.byteorder))
        if ((points > sys.maxunicode) | ((points >= 0xD800) & (points < 0xE000))).any():
            raise UserError(f"{path}: y has labels with invalid characters")
    return y.astype(str)


def _shape(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"
