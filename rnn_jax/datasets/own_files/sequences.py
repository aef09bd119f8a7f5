"""Measured sequences of one's own, from `.npz` files: x, y and lengths.

    x        [examples, steps, features], or [examples, steps] of one feature, filled up where sequences are
             shorter than the longest; or [steps, features], those of one after another
    lengths  [examples], whole numbers: needed where sequences are of different lengths
    y        [examples] or [examples, 1], labels: whole numbers, texts, or True and False; or real numbers
             [examples] or [examples, outputs]

A file is data: one with pickled objects is refused.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets import ragged, splitting, untrusted
from rnn_jax.datasets.dataset import SPLITS, Loaded, Spec, Splits
from rnn_jax.datasets.own_files import own
from rnn_jax.datasets.published import sources
from rnn_jax.datasets.ragged import End
from rnn_jax.runtime.errors import UserError


class Sequences(NamedTuple):
    """What is in a file, without the sequences that have no step."""

    steps: np.ndarray
    """float32 [steps, features], those of one sequence after another."""
    lengths: np.ndarray
    """int32 [examples]."""
    answers: np.ndarray | None
    """y: texts [examples], the labels, or float32 [examples, outputs]; None: there is none."""
    rows: np.ndarray
    """[examples], the number in the file of each sequence."""
    left_out: int
    """Sequences of no step at all."""


def read(path: Path, *, needs_answers: bool = True) -> Sequences:
    """Reads a file of sequences.

    Raises:
        UserError: it cannot be read, holds pickled objects, or its arrays do not fit together; a value is not
            a finite number.
    """
    arrays = untrusted.read_npz(path, ("x", "y", "lengths"))
    if "x" not in arrays or (needs_answers and "y" not in arrays):
        missing = "x" if "x" not in arrays else "y"
        raise UserError(f"{path}: has no array {missing}; it has {', '.join(sorted(arrays)) or 'none'}")
    x, y = arrays["x"], arrays.get("y")
    if x.dtype.kind not in "fiub":
        raise UserError(f"{path}: x is of type {x.dtype}, should be numbers")
    if y is not None and y.ndim == 0:
        raise UserError(f"{path}: y is one value, should be labels [examples] or real numbers")
    steps, lengths = _flat(path, x, arrays.get("lengths"), None if y is None else len(y))
    if y is not None and len(y) != len(lengths):
        raise UserError(f"{path}: y is of {len(y):,} sequences, and x of {len(lengths):,}")
    with np.errstate(over="ignore"):
        steps = steps.astype(np.float32)
    wrong = ~np.isfinite(steps).all(axis=1)
    if wrong.any():
        place = int(wrong.argmax())
        ends = np.cumsum(lengths)
        row = int(np.searchsorted(ends, place, side="right"))
        step = place - int(ends[row] - lengths[row])
        found = ", ".join(str(value) for value in steps[place])
        raise UserError(f"{path}: row {row:,} of x, step {step:,}: not a finite number: {found}")
    rows = np.flatnonzero(lengths)
    if not len(rows):
        raise UserError(f"{path}: has no sequence with a step")
    answers = None if y is None else _answers(path, y)[rows]
    return Sequences(steps, lengths[rows].astype(np.int32), answers, rows, len(lengths) - len(rows))


def _flat(
    path: Path, x: np.ndarray, lengths: np.ndarray | None, examples: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The steps [steps, features] without what only fills up, and the lengths [examples]."""
    if lengths is not None:
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
            raise UserError(f"{path}: lengths is {_shape(lengths)}, should be whole numbers [examples]")
        if len(lengths) and int(lengths.min()) < 0:
            raise UserError(f"{path}: row {int(lengths.argmin()):,} of lengths is {int(lengths.min())}")
        # None is longer than what is there: so none becomes another in a smaller type, nor their sum.
        most = max(x.shape, default=0)
        if len(lengths) and int(lengths.max()) > most:
            row = int(lengths.argmax())
            raise UserError(
                f"{path}: row {row:,} of lengths is {int(lengths.max()):,}, and x has {most:,} steps"
            )
        lengths = lengths.astype(np.int64)
        if (
            x.ndim in (1, 2)
            and x.size
            and sum(lengths.tolist()) == len(x)
            and (len(lengths) != len(x) or x.ndim == 1)
        ):
            return x.reshape(len(x), -1), lengths
        examples = len(lengths)
    found = _shape(x)
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3 or 0 in x.shape or examples not in (None, len(x)):
        raise UserError(
            f"{path}: x is {found}, should be [examples, steps, features], or [steps, features] where "
            "lengths say how many steps each sequence has"
        )
    if lengths is None:
        lengths = np.full(len(x), x.shape[1])
    if int(lengths.max()) > x.shape[1]:
        raise UserError(
            f"{path}: row {int(lengths.argmax()):,} of lengths is {int(lengths.max()):,}, and x has "
            f"{x.shape[1]:,} steps"
        )
    real = np.arange(x.shape[1])[None, :] < lengths[:, None]
    return x[real], lengths


def _answers(path: Path, y: np.ndarray) -> np.ndarray:
    """Labels as texts, or real numbers [examples, outputs]."""
    if y.dtype.kind == "f":
        if y.size == 0:
            raise UserError(f"{path}: y is {_shape(y)}, should have numbers to tell")
        with np.errstate(over="ignore"):
            y = y.reshape(len(y), -1).astype(np.float32)
        wrong = ~np.isfinite(y).all(axis=1)
        if wrong.any():
            raise UserError(f"{path}: row {int(wrong.argmax()):,} of y: not a finite number")
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 1 and y.dtype.kind == "S":
        try:
            return np.char.decode(y, "utf-8")
        except UnicodeError as error:
            raise UserError(f"{path}: the labels in y are bytes that are not UTF-8") from error
    if y.ndim == 1 and y.dtype.kind == "U":
        points = np.ascontiguousarray(y).view(np.dtype(np.uint32).newbyteorder(y.dtype.byteorder))
        if ((points > sys.maxunicode) | ((points >= 0xD800) & (points < 0xE000))).any():
            raise UserError(f"{path}: the labels in y are no texts: some have what is no character")
    if y.ndim == 1 and y.dtype.kind in "iubU":
        return y.astype(str)
    raise UserError(f"{path}: y is {_shape(y)}, should be labels [examples] or real numbers")


def _shape(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"


def load(
    *,
    file: str | None,
    validation_file: str | None,
    test_file: str | None,
    max_length: int | None,
    truncate: End | None,
) -> Loaded:
    """Loads sequences of one's own.

    Args:
        file: the sequences to train with; a split without a file of its own is a tenth of it, stratified.
        validation_file: those to validate with.
        test_file: those to test with.
        max_length: longer ones are cut to so many steps.
        truncate: which of them are kept.

    Raises:
        UserError: a file is not what it should be, or does not fit the others; a class has one example.
    """
    paths = own.files(file, validation_file, test_file)
    found = {split: read(path) for split, path in paths.items()}
    for split, sequences in found.items():
        here, there = _kind(sequences), _kind(found["train"])
        if here != there:
            raise UserError(f"{paths[split]}: has {here}, and {paths['train']} has {there}")
    where = str(paths["train"])
    classes, numbers = _classes(found["train"], where)
    splits: Splits = {
        split: {
            "lengths": sequences.lengths,
            "targets": _targets(sequences, classes, str(paths[split])),
            "steps": sequences.steps,
        }
        for split, sequences in found.items()
    }
    missing = tuple(split for split in ("validation", "test") if split not in splits)
    if missing:
        if classes:
            splitting.check_classes(numbers, classes, where)
        rows = splitting.divide(numbers, missing, where)
        splits |= {split: ragged.take(splits["train"], own_rows) for split, own_rows in rows.items()}
    left_out = sum(sequences.left_out for sequences in found.values())
    notes = (f"{left_out:,} sequences without a step left out",) if left_out else ()
    version = own.digest_of({split: sources.checksum(path) for split, path in paths.items()})[: own.SHOWN]
    ordered = {split: splits[split] for split in SPLITS}
    loaded = ragged.cut(Loaded(version, {}, ordered, None, classes, notes), max_length, truncate)
    return loaded._replace(spec=spec_of(loaded.splits["train"], classes))


def _classes(train: Sequences, where: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of the classes and the class of each sequence; no names where numbers are to be told."""
    assert train.answers is not None
    if train.answers.dtype.kind == "f":
        return (), np.zeros(len(train.lengths), np.int32)
    classes, numbers = splitting.number_classes(train.answers.tolist())
    if len(classes) == 1:
        raise UserError(f"{where}: every label is {classes[0]!r}; there must be two to tell apart")
    return classes, numbers


def _targets(sequences: Sequences, classes: tuple[str, ...], where: str) -> np.ndarray:
    """Numbers of classes, int32 [examples], or what is to be told, float32 [examples, outputs]."""
    assert sequences.answers is not None
    if not classes:
        return sequences.answers
    numbers = {name: number for number, name in enumerate(classes)}
    labels = sequences.answers.tolist()
    if foreign := sorted(set(labels) - set(classes)):
        raise UserError(f"{where}: has the class {foreign[0]!r}, of which there is nothing to learn from")
    return np.array([numbers[label] for label in labels], np.int32)


def _kind(sequences: Sequences) -> str:
    answers = sequences.answers
    assert answers is not None
    what = f"{answers.shape[1]} real numbers to tell" if answers.dtype.kind == "f" else "labels"
    return f"{sequences.steps.shape[1]} features and {what}"


def spec_of(train: dict[str, np.ndarray], classes: tuple[str, ...]) -> Spec:
    """The spec of measured sequences, with the mean and the deviation of each feature in the training set.

    Args:
        train: the arrays of the training split: `steps` and `targets`.
        classes: their names; none where numbers are to be told, whose means and deviations are there too.
    """
    means, deviations = _scale(train["steps"])
    spec: Spec = {"kind": "sequences", "features": len(means), "means": means, "deviations": deviations}
    if classes:
        return {**spec, "classes": len(classes)}
    means, deviations = _scale(train["targets"])
    return {**spec, "outputs": len(means), "target_means": means, "target_deviations": deviations}


def _scale(values: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of values [examples, features]; the deviation of what never varies is 1."""
    means, deviations = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    return means.tolist(), np.where(deviations > 0, deviations, 1.0).tolist()
