"""Which examples make a batch: a pure function of (split, seed, step), drawn with NumPy on the host."""

import functools
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from rnn_jax.tasks.task import Splits


def counts(splits: Splits) -> dict[str, int]:
    """The examples in each split."""
    return {split: len(next(iter(arrays.values()))) for split, arrays in splits.items()}


def batches(splits: Splits, batch_size: int) -> dict[str, Fraction]:
    """How many batches go through each split once; the last may be ragged."""
    return {split: Fraction(count, batch_size) for split, count in counts(splits).items()}


def build_select(splits: Splits, batch_size: int) -> Callable[[str, int, int], np.ndarray]:
    """Builds `select(split, seed, step) -> indices [batch_size]`, int32.

    In training, position p = step · batch + row is example order(seed, p // N)[p % N], where every epoch has
    an order of its own: batches run on across epochs, and nothing is dropped. The other splits are read once,
    in their own order; the last batch is filled up with -1.
    """
    numbers = counts(splits)

    def select(split: str, seed: int, step: int) -> np.ndarray:
        count = numbers[split]
        if split == "train":
            return in_training(count, batch_size, (seed,), step).astype(np.int32)
        positions = step * batch_size + np.arange(batch_size)
        return np.where(positions < count, positions, -1).astype(np.int32)

    return select


def in_training(count: int, batch_size: int, seed: tuple[int, ...], number: int) -> np.ndarray:
    """The examples [batch_size] of batch `number` of an endless stream through so many examples."""
    epochs, places = np.divmod(number * batch_size + np.arange(batch_size), count)
    parts = [epoch_order(count, seed, int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
    return np.concatenate(parts)


@functools.lru_cache(maxsize=128)  # a population may have as many seeds, each with two epochs in a batch
def epoch_order(count: int, seed: tuple[int, ...], epoch: int) -> np.ndarray:
    """The order [count] in which epoch number `epoch` goes through the training examples."""
    return np.random.default_rng((*seed, epoch)).permutation(count)
