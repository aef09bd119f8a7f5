"""Sequences of different lengths in one array: their concatenated `steps`, and `lengths`."""

from collections.abc import Sequence

import numpy as np

from rnn_jax.datasets.dataset import Dataset


def join(sequences: Sequence[np.ndarray], targets: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of a split from its sequences, each [steps, ...], and their targets."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int32)
    return {"lengths": lengths, "targets": targets, "steps": np.concatenate(sequences)}


def truncate(data: Dataset, max_length: int | None, truncation: str) -> Dataset:
    """Truncate sequences to the first or last (`keep_first`, `keep_last`) steps, and add a note about it."""
    if max_length is None:
        return data
    splits, truncated, examples = {}, 0, 0
    for split, arrays in data.splits.items():
        lengths = arrays["lengths"]
        starts = np.cumsum(lengths) - lengths
        place = np.arange(len(arrays["steps"])) - np.repeat(starts, lengths)  # in its sequence
        surplus = np.maximum(lengths - max_length, 0)
        keep = place < max_length if truncation == "keep_first" else place >= np.repeat(surplus, lengths)
        splits[split] = {**arrays, "lengths": lengths - surplus, "steps": arrays["steps"][keep]}
        truncated, examples = truncated + int((surplus > 0).sum()), examples + len(lengths)
    end = truncation.removeprefix("keep_")
    note = f"{truncated:,} of {examples:,} sequences truncated to the {end} {max_length:,} steps"
    return data._replace(splits=splits, notes=(*data.notes, note) if truncated else data.notes)
