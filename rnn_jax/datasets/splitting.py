"""Reproducible, stratified splits of data without a split, and the numbers of their classes."""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from rnn_jax.datasets.dataset import SPLITS, Arrays, Splits, take
from rnn_jax.runtime.errors import UserError

_SEED = 0
_SHARES = {"validation": 0.1, "test": 0.1}


def stratified_order(labels: np.ndarray) -> np.ndarray:
    """Return an order of the examples, int [examples], in which every slice has all classes in proportion.

    Examples of one class are ordered by a hash of a seed and the example number, which no new version of a
    library can change; the k-th of n examples of a class stands (k + 1/2) / n of the way through.
    """
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        order = sorted(rows, key=lambda row: hashlib.sha256(f"{_SEED}:{row}".encode()).digest())
        places[order] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((labels, places))


def number_classes(
    labels: Mapping[str, Sequence[str]], origins: Mapping[str, object]
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Number the classes of the training split in alphabetical order, or by value if all are whole numbers.

    `labels` are those of each split, and `origins` its file or folder, for errors. Returns the names of the
    classes, and the class numbers of each split, int32 [examples]. Raises UserError if there is only one
    class, or a split has a class that train has not.
    """
    names = sorted(set(labels["train"]))
    with contextlib.suppress(ValueError):  # not all are whole numbers
        names = sorted(names, key=int)
    if len(names) == 1:
        raise UserError(f"{origins['train']}: has one class, {names[0]!r}: must have at least two")
    numbers = {name: number for number, name in enumerate(names)}
    for split, own in labels.items():
        if foreign := sorted(set(own) - set(names)):
            raise UserError(f"{origins[split]}: the class {foreign[0]!r} is in {split}, but not in train")
    found = {split: np.array([numbers[label] for label in own], np.int32) for split, own in labels.items()}
    return tuple(names), found


def add_missing_splits(splits: Splits, classes: Sequence[str], origin: object) -> Splits:
    """Add each missing split, a tenth of the training examples, stratified if the targets are class numbers.

    Examples keep their order. Raises UserError, with the file or folder `origin`, if a missing split would be
    empty, or one of the `classes` has one example.
    """
    targets = splits["train"]["targets"]
    labels = targets if targets.dtype.kind == "i" else np.zeros(len(targets), np.int32)
    counts = {split: round(share * len(labels)) for split, share in _SHARES.items() if split not in splits}
    single = [classes[label] for label, count in enumerate(np.bincount(labels)) if classes and count == 1]
    if counts and single:
        more = f" (and {len(single) - 1:,} more classes)" if len(single) > 1 else ""
        problem = f"the class {single[0]!r} has one example{more}"
        raise UserError(f"{origin}: {problem}: must have at least two, to train and to test")
    if counts and min(counts.values()) == 0:
        problem = f"too few to split off a tenth for {next(iter(counts))}"
        raise UserError(f"{origin}: has {len(labels):,} examples: {problem}")
    parts = np.split(stratified_order(labels), np.cumsum(list(counts.values()), dtype=int))
    rows = zip([*counts, "train"], parts, strict=True)
    splits = splits | {split: take(splits["train"], np.sort(own)) for split, own in rows}
    return {split: splits[split] for split in SPLITS}


def hold_out_first(train: Arrays, count: int) -> Splits:
    """Split training examples into the first `count`, for validation, and the others."""
    rows = np.arange(len(train["targets"]))
    return {"train": take(train, rows[count:]), "validation": take(train, rows[:count])}
