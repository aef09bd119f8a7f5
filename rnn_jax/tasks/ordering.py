"""The examples of each batch: a pure function of (split, seed, step), drawn with NumPy on the host."""

import functools
from fractions import Fraction

import numpy as np

from rnn_jax.tasks.task import Select, Splits


def build_select(splits: Splits, batch_size: int) -> tuple[Select, dict[str, Fraction]]:
    """Build `select(split, seed, step) -> example numbers [batch_size]`, and count the batches of each split.

    In training, position p = step · batch + row holds example order(seed, p // N)[p % N], with a new order in
    every epoch: batches continue across epochs, and no example is dropped. The other splits are read once, in
    their own order; the last batch is padded with -1.
    """
    counts = {split: len(next(iter(arrays.values()))) for split, arrays in splits.items()}

    def select(split: str, seed: int, step: int) -> np.ndarray:
        count = counts[split]
        if split == "train":
            return training_batch(count, batch_size, (seed,), step).astype(np.int32)
        positions = step * batch_size + np.arange(batch_size)
        return np.where(positions < count, positions, -1).astype(np.int32)

    return select, {split: Fraction(count, batch_size) for split, count in counts.items()}


def training_batch(count: int, batch_size: int, seed: tuple[int, ...], number: int) -> np.ndarray:
    """Return the examples [batch_size] of batch `number` in an endless stream through `count` examples."""
    epochs, places = np.divmod(number * batch_size + np.arange(batch_size), count)
    parts = [epoch_order(count, seed, int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
    return np.concatenate(parts)


@functools.lru_cache(maxsize=128)  # a population may have as many seeds, each with two epochs in a batch
def epoch_order(count: int, seed: tuple[int, ...], epoch: int) -> np.ndarray:
    """Return the order [count] of the training examples in one epoch."""
    return np.random.default_rng((*seed, epoch)).permutation(count)
