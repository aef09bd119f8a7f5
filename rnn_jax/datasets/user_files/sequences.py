"""A user's measured sequences, from `.npz` files with the arrays x, y and lengths.

    x        [examples, steps, features], or [examples, steps] of one feature, padded to the longest sequence;
             or the concatenated steps of all sequences [steps, features]
    lengths  [examples], whole numbers: required if sequences have different lengths
    y        labels [examples] or [examples, 1]: whole numbers, strings or bools;
             or real numbers [examples] or [examples, outputs]

Values may be of any type of numbers: `offsets.py` converts them to float32. Files with pickled objects are an
error.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.config.sections.dataset import Sequences as Options
from rnn_jax.datasets import prepared
from rnn_jax.datasets.dataset import Dataset, Spec, Splits, truncate_sequences
from rnn_jax.datasets.safe_reading import hash_splits, split_paths
from rnn_jax.datasets.splitting import add_missing_splits, fold_splits, number_classes
from rnn_jax.datasets.user_files import offsets
from rnn_jax.datasets.user_files.sequence_files import Sequences, read_sequences
from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import UserError

_MAX_COMPARED = 10_000  # rows, at least, in which equal values are looked for


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
    _warn_about_shapes(paths["train"], read["train"])
    splits: Splits = {}
    with _suggesting_regression(targets["train"]):
        if targets["train"].dtype.kind != "f":
            labels = {split: own.tolist() for split, own in targets.items()}
            classes, targets = number_classes(labels, paths)
        for split, each in read.items():
            splits[split] = {"lengths": each.lengths, "targets": targets[split], "steps": each.steps}
        splits = add_missing_splits(splits, classes, paths["train"])
    splits = fold_splits(splits, options.validation_folds, options.validation_fold, paths["train"])
    left_out = sum(sequences.left_out for sequences in read.values())
    notes = (f"{left_out:,} empty sequences left out",) if left_out else ()
    data = Dataset("", {}, splits, None, classes, notes)
    data = truncate_sequences(data, options.max_length, options.truncate)
    shifts = _convert(data.splits, paths["train"])
    # Version 1 of the values is what they are without shifts.
    version = prepared.version_of({**hash_splits(paths), **({"values": 2} if shifts else {})})
    return data._replace(version=version, spec={**sequences_spec(data.splits["train"], classes), **shifts})


@contextlib.contextmanager
def _suggesting_regression(targets: np.ndarray) -> Iterator[None]:
    """Add a remedy to an error about labels [examples] that are numbers, most of which differ."""
    try:
        yield
    except UserError as error:
        try:
            is_number = targets.dtype.kind != "f" and bool(np.isfinite(targets.astype(float)).all())
        except ValueError:
            is_number = False
        if is_number and 2 * len(np.unique(targets)) > len(targets):
            remedy = "save y.astype(float) to predict numbers, with configs/sequences.py:regression"
            raise UserError(f"{error}; {remedy}") from error
        raise


def _warn_about_shapes(path: Path, read: Sequences) -> None:
    """Warn about axes that may have been mistaken: features for steps, or targets of steps for outputs."""
    features, longest = read.steps.shape[1], int(read.lengths.max())
    if features > longest:
        found = f"every sequence has fewer steps ({longest:,} at most) than features ({features:,})"
        remedy = "if x is [examples, features, steps], save x.transpose(0, 2, 1)"
        warn(f"{path}: {found}; {remedy}")
    targets, is_same = read.targets, bool((read.lengths == longest).all())
    if targets is not None and targets.dtype.kind == "f" and targets.shape[1] == longest > 1 and is_same:
        found = f"y has as many columns as x has steps ({longest:,})"
        warn(f"{path}: {found}: they are outputs of the whole sequence, not one for each step")


def _convert(splits: Splits, path: Path) -> dict[str, list[float]]:
    """Convert steps and real targets to float32, in place; return the shifts of a spec, see `offsets.py`."""
    found = {}
    for array, name, key in (("steps", "x", "shifts"), ("targets", "y", "target_shifts")):
        if splits["train"][array].dtype.kind == "i" and array == "targets":
            continue  # class numbers
        values = splits["train"][array]
        shifts = offsets.find_shifts(values, name, path)
        for arrays in splits.values():
            arrays[array] = offsets.to_float32(arrays[array], shifts)
        _warn_about_merged_values(path, name, values, splits["train"][array])
        if shifts is not None:
            found[key] = shifts
    return found


def _warn_about_merged_values(path: Path, name: str, values: np.ndarray, converted: np.ndarray) -> None:
    """Warn where values [rows, columns] that differ in the file are equal in float32, or all are equal."""
    step = max(1, len(values) // _MAX_COMPARED)
    values, converted = values[::step], converted[::step]
    if len(values) > 1 and (values == values[0]).all():
        is_rounded = values.dtype.kind == "f" and values.dtype.itemsize < 8 and bool(values.any())
        remedy = f": {values.dtype} may have rounded them; save float64" if is_rounded else ""
        warn(f"{path}: all rows of {name} are equal{remedy}")
    for column, (own, rounded) in enumerate(zip(values.T, converted.T, strict=True)):
        before, after = len(np.unique(own)), len(np.unique(rounded))
        if 2 * after < before:
            found = f"{before:,} different values of {name}, column {column:,}, are {after:,} in float32"
            problem = f"they differ too little for their range, {own.min():.6g} to {own.max():.6g}"
            remedy = "replace those far away, such as zeros for missing values"
            warn(f"{path}: {found}: {problem}; {remedy}")


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
    """Return the mean and standard deviation of each feature of values [examples, features].

    A constant has deviation 1: the mean of equal values may differ from them by rounding.
    """
    means, deviations = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    is_constant = values.min(axis=0) == values.max(axis=0)
    return means.tolist(), np.where(is_constant, 1.0, deviations).tolist()
