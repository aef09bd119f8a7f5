"""Data without content: the task draws each example from its number, and a split is a range of numbers."""

import numpy as np

from rnn_jax.datasets.dataset import SPLITS, Loaded, Splits

HELD_OUT = 2_000  # examples of validation, and of test


def load(*, examples: int) -> Loaded:
    """`numbers`, int32 [examples], of `examples` training examples and 2,000 each to validate and test."""
    splits: Splits = {}
    start = 0
    for split, count in {"validation": HELD_OUT, "test": HELD_OUT, "train": examples}.items():
        splits[split] = {"numbers": np.arange(start, start + count, dtype=np.int32)}
        start += count
    return Loaded("1.0.0", {"kind": "numbers"}, {split: splits[split] for split in SPLITS})
