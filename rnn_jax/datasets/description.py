"""What was found in a data set, in a few lines: how many examples, of which classes, how long."""

import numpy as np

from rnn_jax.datasets.dataset import Dataset

_NAMED = 12  # classes that are named one by one


def describe(data: Dataset) -> dict[str, str]:
    """A row for each thing that is to be said of a data set, by its heading."""
    counts = ", ".join(f"{count:,} {split}" for split, count in data.counts.items())
    kinds = "" if data.vocabulary is None else f"; {_different(data)}"
    rows = {"data": f"{data.name} {data.version}: {counts}{kinds}"}
    if data.classes:
        rows["classes"] = _classes(data)
    train = data.splits["train"]
    if "lengths" in train:
        lengths = np.concatenate([arrays["lengths"] for arrays in data.splits.values()])
        rows["lengths"] = (
            f"shortest {lengths.min():,}, median {np.median(lengths):,.0f}, longest {lengths.max():,}"
        )
    if data.notes:
        rows["note"] = "; ".join(data.notes)
    return rows


def _different(data: Dataset) -> str:
    assert data.vocabulary is not None
    return f"{len(data.vocabulary):,} different {data.vocabulary.unit.replace('_', ' ')}s"


def _classes(data: Dataset) -> str:
    """Each class with its share of the training examples, or how many there are, and the extremes."""
    found = np.bincount(data.splits["train"]["targets"], minlength=len(data.classes))
    shares = [
        f"{name}: {100 * count / found.sum():.1f} %" for name, count in zip(data.classes, found, strict=True)
    ]
    if len(shares) <= _NAMED:
        return ", ".join(shares)
    return f"{len(shares)}; the fewest {shares[int(found.argmin())]}, the most {shares[int(found.argmax())]}"
