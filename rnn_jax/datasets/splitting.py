"""Reproducible, stratified splits of data without a split, folds, and the numbers of their classes."""

import contextlib
import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from rnn_jax.datasets.dataset import SPLITS, Arrays, Dataset, Splits, take
from rnn_jax.runtime.errors import UserError, shorten

_SEED = 0
_SHARES = {"validation": 0.1, "test": 0.1}
_MIN_VALIDATION = 100  # fewer examples choose a step by chance
_MAX_NAMED = 3  # classes in a warning
_MAX_SHARE = 0.9  # of the training examples that one class has without a warning


def stratified_order(labels: np.ndarray) -> np.ndarray:
    """Return an order of the examples, int [examples], in which every slice has all classes in proportion.

    Examples of one class are ordered by a hash of a seed and the example number, which no new version of a
    library can change; the k-th of n examples of a class stands (k + 1/2) / n of the way through.
    """
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        places[_shuffled(rows)] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((labels, places))


def _shuffled(rows: np.ndarray) -> list[int]:
    return sorted(rows.tolist(), key=lambda row: hashlib.sha256(f"{_SEED}:{row}".encode()).digest())


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
        raise UserError(f"{origins['train']}: has one class, {shorten(names[0])!r}: must have at least two")
    numbers = {name: number for number, name in enumerate(names)}
    for split, own in labels.items():
        if foreign := sorted(set(own) - set(names)):
            raise UserError(
                f"{origins[split]}: the class {shorten(foreign[0])!r} is in {split}, but not in train"
            )
    found = {split: np.array([numbers[label] for label in own], np.int32) for split, own in labels.items()}
    return tuple(names), found


def add_missing_splits(splits: Splits, classes: Sequence[str], origin: object) -> Splits:
    """Add each missing split, a tenth of the training examples, stratified if the targets are class numbers.

    Examples keep their order. A class has an example in every split if it has as many examples as there are
    splits, and the splits have room for all such classes; one of two examples is in train and test. Raises
    UserError, with the file or folder `origin`, if a missing split would be empty, or one of the `classes`
    has one example.
    """
    targets = splits["train"]["targets"]
    labels = _labels(targets)
    counts = {split: round(share * len(labels)) for split, share in _SHARES.items() if split not in splits}
    single = [classes[label] for label, count in enumerate(np.bincount(labels)) if classes and count == 1]
    if counts and single:
        more = f" (and {len(single) - 1:,} more classes)" if len(single) > 1 else ""
        problem = f"the class {shorten(single[0])!r} has one example{more}"
        raise UserError(f"{origin}: {problem}: must have at least two, to train and to test")
    if counts and min(counts.values()) == 0:
        problem = f"too few to split off a tenth for {next(iter(counts))}"
        raise UserError(f"{origin}: has {len(labels):,} examples: {problem}")
    parts = np.split(stratified_order(labels), np.cumsum(list(counts.values()), dtype=int))
    rows = dict(zip([*counts, "train"], parts, strict=True))
    _exchange(rows, labels)
    splits = splits | {split: take(splits["train"], np.sort(own)) for split, own in rows.items()}
    return {split: splits[split] for split in SPLITS}


def _labels(targets: np.ndarray) -> np.ndarray:
    return targets if targets.dtype.kind == "i" else np.zeros(len(targets), np.int32)


def _exchange(rows: dict[str, np.ndarray], labels: np.ndarray) -> None:
    """Give test, then validation, an example of each class that they lack and of which train has two or more.

    Train gets one of the most frequent class of that split, of which one stays. Changes `rows`, in place.
    """
    for split in [name for name in ("test", "validation") if name in rows]:
        for label in np.setdiff1d(labels, labels[rows[split]]):
            counts = np.bincount(labels[rows[split]])
            spare = np.flatnonzero(labels[rows["train"]] == label)
            if len(spare) >= 2 and counts.max() >= 2:
                given = np.flatnonzero(labels[rows[split]] == counts.argmax())[-1]
                both = rows["train"][spare[0]], rows[split][given]
                rows[split][given], rows["train"][spare[0]] = both


def fold_splits(splits: Splits, folds: int | None, fold: int | None, origin: object) -> Splits:
    """Return the splits of a fold of cross-validation: all examples but test's are for train or validation.

    `folds` is the number of folds (None: return the splits as they are) and `fold` the one that is for
    validation; None: there is no validation split, for the model that is trained last. Raises UserError if
    there are more folds than examples of the file or folder `origin`.
    """
    if folds is None:
        return splits
    known = {
        name: np.concatenate([splits["train"][name], splits["validation"][name]]) for name in splits["train"]
    }
    count = len(known["targets"])
    if folds > count:
        allowed = f"must be at most {count:,}, the examples of {origin} that are not for test"
        raise UserError(f"dataset.validation_folds = {folds}: {allowed}")
    if fold is None:
        return {"train": known, "test": splits["test"]}
    validation = np.sort(fold_rows(_labels(known["targets"]), folds)[fold])
    train = np.setdiff1d(np.arange(count), validation)
    return {"train": take(known, train), "validation": take(known, validation), "test": splits["test"]}


def fold_rows(labels: np.ndarray, folds: int) -> np.ndarray:
    """Return the examples of each fold, int [folds, examples // folds].

    Of two folds, the numbers of examples of a class differ by at most one. The remainder of the examples,
    which is in no fold, is of the most frequent class or classes.
    """
    ranks = np.argsort(_shuffled(np.arange(len(labels))))
    order = np.lexsort((ranks, labels, np.bincount(labels)[labels]))
    each = len(labels) // folds
    return order[: each * folds].reshape(each, folds).T


def hold_out_first(train: Arrays, count: int) -> Splits:
    """Split training examples into the first `count`, for validation, and the others."""
    rows = np.arange(len(train["targets"]))
    return {"train": take(train, rows[count:]), "validation": take(train, rows[:count])}


def split_warnings(data: Dataset, remedy: str = "") -> list[str]:
    """Return a line for each held-out split that lacks a class, for a small validation split, and for a class
    that has more than nine tenths of the training examples.

    `remedy` ends the second. The standard error of an accuracy p over n examples is sqrt(p (1 - p) / n), at
    most 1 / (2 sqrt(n)); that of the mean of n squared errors is sqrt(2 / n) of it if errors are normally
    distributed.
    """
    lines = []
    counts = {split: np.bincount(_labels(own["targets"])) for split, own in data.splits.items()}
    for split in counts.keys() - {"train"} if data.classes else ():
        padded = np.pad(counts[split], (0, len(data.classes)))[: len(data.classes)]
        missing = [number for number in np.flatnonzero(counts["train"]) if not padded[number]]
        if missing:
            named = [
                f"{shorten(data.classes[number])!r} ({counts['train'][number]:,} in train)"
                for number in missing
            ]
            more = f" and {len(named) - _MAX_NAMED:,} more" if len(named) > _MAX_NAMED else ""
            what = f"{len(named):,} of {len(data.classes):,} classes"
            lines.append(f"{split} has no example of {what}: {', '.join(named[:_MAX_NAMED])}{more}")
    if (count := data.counts.get("validation", _MIN_VALIDATION)) < _MIN_VALIDATION:
        error = f"accuracy has a standard error of up to {50 / math.sqrt(count):.1f} percentage points"
        formula = "sqrt(p (1 - p) / n), the most at p = 1/2"
        if not data.classes:
            error = f"mean squared error has a standard error of about {100 * math.sqrt(2 / count):.0f} %"
            formula = "sqrt(2 / n), if errors are normally distributed"
        lines.append(
            f"validation has {count:,} examples: its {error} ({formula}), so that the best step is "
            f"partly chance{remedy}"
        )
    share = counts["train"].max() / counts["train"].sum()
    if data.classes and share > _MAX_SHARE:
        name = shorten(data.classes[counts["train"].argmax()])
        lines.append(
            f"{100 * share:.1f} % of the training examples are of class {name!r}, the accuracy of a constant "
            "prediction: compare balanced_accuracy and macro_f1; --config.task.class_weights=balanced "
            "weights the loss"
        )
    return sorted(lines)
