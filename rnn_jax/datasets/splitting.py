"""How examples are divided where their owner did not: reproducibly, and each class in its proportion."""

import hashlib
from collections.abc import Sequence

import numpy as np

from rnn_jax.runtime.errors import UserError

SEED = 0
_SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """An order of the examples, int [examples], in any stretch of which the labels have their proportions.

    Within a label the examples are ordered by a hash of the seed and their number, which no library's next
    version can change; the k-th of n examples with a label then stands (k + 1/2) / n of the way through.
    """
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        drawn = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{row}".encode()).digest())
        places[drawn] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((labels, places))


def number_classes(labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of the classes in their order, whole numbers as such, and each label's number, int32."""
    names = sorted(set(labels))
    if all(_is_number(name) for name in names):
        names.sort(key=int)
    numbers = {name: number for number, name in enumerate(names)}
    return tuple(names), np.array([numbers[label] for label in labels], np.int32)


def _is_number(name: str) -> bool:
    try:
        int(name)
    except ValueError:
        return False
    return True


def divide(labels: np.ndarray, missing: tuple[str, ...], where: str) -> dict[str, np.ndarray]:
    """Divides training examples: eight tenths stay, and each split that has no file of its own gets a tenth.

    Args:
        labels: [examples], classes, or anything of one value where there are none.
        missing: the splits to be cut off: 'validation', 'test' or both.
        where: where the examples are from, for errors.

    Returns:
        The example numbers of 'train' and each missing split, in their own order.

    Raises:
        UserError: there are too few.
    """
    order = stratified_order(labels, SEED)
    counts = {split: round(_SHARES[split] * len(labels)) for split in missing}
    if missing and min(counts.values()) == 0:
        raise UserError(
            f"{where}: has {len(labels):,} examples, too few to take a tenth of them for {missing[0]}"
        )
    found, first = {}, 0
    for split, count in counts.items():
        found[split] = np.sort(order[first : first + count])
        first += count
    return {"train": np.sort(order[first:]), **found}


def check_classes(labels: np.ndarray, names: tuple[str, ...], where: str) -> None:
    """Raises UserError for a class with one example, which cannot be both learned and tested."""
    lonely = [
        names[number] for number, count in enumerate(np.bincount(labels, minlength=len(names))) if count == 1
    ]
    if lonely:
        also = f", as have {len(lonely) - 1:,} more" if len(lonely) > 1 else ""
        raise UserError(
            f"{where}: the class {lonely[0]!r} has one example{also}; a class needs two, one to learn from "
            "and one to be tested with"
        )
