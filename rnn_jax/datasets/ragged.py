"""Sequences of many lengths in one array: `steps`, those of one after another, and `lengths`."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rnn_jax.datasets.dataset import Loaded

End = Literal["keep_first", "keep_last"]


def join(sequences: Sequence[np.ndarray], targets: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a split from sequences, each [steps, ...], and what belongs to each of them."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int32)
    return {"lengths": lengths, "targets": targets, "steps": np.concatenate(sequences)}


def take(arrays: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of some of the examples."""
    ends = np.cumsum(arrays["lengths"])
    parts = [arrays["steps"][ends[row] - arrays["lengths"][row] : ends[row]] for row in rows]
    steps = np.concatenate(parts) if parts else arrays["steps"][:0]
    return {"lengths": arrays["lengths"][rows], "targets": arrays["targets"][rows], "steps": steps}


def cut(loaded: Loaded, maximum: int | None, kept: End | None) -> Loaded:
    """What was loaded with sequences of `maximum` steps at most, and a note on it; None: as it is."""
    if maximum is None:
        return loaded
    found, longer, examples = {}, 0, 0
    for split, arrays in loaded.splits.items():
        lengths = arrays["lengths"]
        ends = np.cumsum(lengths)
        place = np.arange(len(arrays["steps"])) - np.repeat(ends - lengths, lengths)  # in its sequence
        surplus = np.maximum(lengths - maximum, 0)
        keep = place < maximum if kept == "keep_first" else place >= np.repeat(surplus, lengths)
        found[split] = {**arrays, "lengths": lengths - surplus, "steps": arrays["steps"][keep]}
        longer, examples = longer + int((surplus > 0).sum()), examples + len(lengths)
    end = str(kept).removeprefix("keep_")
    note = f"{longer:,} of {examples:,} cut to their {end} {maximum:,} steps"
    return loaded._replace(splits=found, notes=(*loaded.notes, *([note] if longer else [])))
