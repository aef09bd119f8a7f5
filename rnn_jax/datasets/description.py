"""The contents of a data set in a few lines: its examples, classes and lengths."""

import numpy as np

from rnn_jax.datasets.dataset import Dataset

_MAX_LISTED = 12  # classes that are listed one by one


def describe(data: Dataset) -> dict[str, str]:
    """Return rows for display by heading: 'data', and 'classes', 'lengths' and 'note' where they apply."""
    rows = {"data": f"{data.name} {data.version}: "}
    rows["data"] += ", ".join(f"{count:,} {split}" for split, count in data.counts.items())
    if data.vocabulary is not None:
        unit = data.vocabulary.unit.replace("_", " ")
        rows["data"] += f"; {len(data.vocabulary):,} different {unit}s"
    if data.classes:
        rows["classes"] = _describe_classes(data)
    if "lengths" in data.splits["train"]:
        lengths = np.concatenate([arrays["lengths"] for arrays in data.splits.values()])
        rows["lengths"] = (
            f"shortest {lengths.min():,}, median {np.median(lengths):,.0f}, longest {lengths.max():,}"
        )
    if data.notes:
        rows["note"] = "; ".join(data.notes)
    return rows


def _describe_classes(data: Dataset) -> str:
    """List the share of each class in the training examples, or the extremes of many classes."""
    counts = np.bincount(data.splits["train"]["targets"], minlength=len(data.classes))
    shares = [
        f"{name}: {100 * count / counts.sum():.1f} %"
        for name, count in zip(data.classes, counts, strict=True)
    ]
    if len(shares) <= _MAX_LISTED:
        return ", ".join(shares)
    return f"{len(shares)}; the rarest {shares[counts.argmin()]}, the most frequent {shares[counts.argmax()]}"
