"""Sequences of many lengths in batches of few shapes: buckets by length.

With three buckets up to 3, 5 and 9 steps, rows of 2, 3, 4 and 9 steps stand in the first, first, second and
third; a batch is of one bucket, and its rows are filled up to that bucket's bound. The bounds are those that
leave the least padding.

Which bucket a training batch is of depends on its step alone, so that models with other seeds see batches of
the same shapes at the same steps. Each bucket is an endless stream of its own, in an order drawn anew for
every round through it, as `ordering.py` has it for all examples; an epoch has as many batches of a bucket as
its stream needs to keep up, so that nothing is dropped and no batch is ragged, and they come in an order
drawn anew for every epoch.
"""

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from rnn_jax.tasks import ordering
from rnn_jax.tasks.task import Splits

_DIFFERENT = 1_000  # lengths that are told apart where bounds are looked for
_SHUFFLED = 20_261_125  # the seed of the order of an epoch's batches, which all models share


class Bucket(NamedTuple):
    """The rows of a split that are filled up to one bound."""

    bound: int
    """Steps."""
    rows: np.ndarray
    """[rows], example numbers."""


class Schedule:
    """Which bucket each training batch is of, and which batch of that bucket it is."""

    def __init__(self, counts: list[int], batch_size: int) -> None:
        """The schedule of buckets with so many rows each."""
        self._counts, self._batch_size = counts, batch_size

    def at(self, step: int) -> tuple[int, int]:
        """The bucket of a step, and how many batches of that bucket came before."""
        epoch = self._epoch_of(step)
        before, after = self._batches_before(epoch), self._batches_before(epoch + 1)
        order = _order_of_batches(tuple(np.subtract(after, before).tolist()), epoch)
        place = step - sum(before)
        bucket = int(order[place])
        return bucket, before[bucket] + int((order[:place] == bucket).sum())

    def _batches_before(self, epoch: int) -> list[int]:
        """Batches of each bucket before an epoch: as many as its rows fill up to there, rounded up."""
        return [-(-epoch * count // self._batch_size) for count in self._counts]

    def _epoch_of(self, step: int) -> int:
        # Rounded up, an epoch may begin later than its exact place, by less than a batch for each bucket.
        epoch = step * self._batch_size // sum(self._counts)
        while sum(self._batches_before(epoch)) > step:
            epoch -= 1
        return epoch


@functools.lru_cache(maxsize=8)
def _order_of_batches(batches: tuple[int, ...], epoch: int) -> np.ndarray:
    """The bucket of each batch of an epoch."""
    buckets = np.repeat(np.arange(len(batches)), batches)
    return np.random.default_rng((_SHUFFLED, epoch)).permutation(buckets)


def build_select(
    splits: Splits, batch_size: int, buckets: int
) -> tuple[Callable[[str, int, int], np.ndarray], dict[str, Fraction]]:
    """Builds `select` for splits of `lengths` [examples], and how many batches go through each split once.

    `select(split, seed, step)` gives int32 [batch, 1 + bound]: the number of an example, and where in `steps`
    each of its steps stands; -1 where there is none.
    """
    limits = bounds(splits["train"]["lengths"], buckets, batch_size)
    longest = max(int(arrays["lengths"].max()) for arrays in splits.values())
    limits[-1] = max(limits[-1], longest)
    own = {split: divide(arrays["lengths"], limits) for split, arrays in splits.items()}
    begins = {split: np.cumsum(arrays["lengths"]) - arrays["lengths"] for split, arrays in splits.items()}
    schedule = Schedule([len(bucket.rows) for bucket in own["train"]], batch_size)
    in_order = {split: _in_order(own[split], batch_size) for split in splits}

    def select(split: str, seed: int, step: int) -> np.ndarray:
        if split == "train":
            bucket, number = schedule.at(step)
            bound, rows = own[split][bucket]
            drawn = ordering.in_training(len(rows), batch_size, (seed, bucket), number)
            chosen = rows[drawn]
        else:
            bound, chosen = in_order[split][step]
        return places(chosen, begins[split], splits[split]["lengths"], bound)

    count = len(splits["train"]["lengths"])
    batches = {split: Fraction(len(found)) for split, found in in_order.items()}
    return select, batches | {"train": Fraction(count, batch_size)}


def bounds(lengths: np.ndarray, buckets: int, least: int) -> list[int]:
    """The bounds, at most so many, that leave the least padding: the last is the greatest length.

    Found by dynamic programming over the different lengths: with one bucket more, the first i lengths are
    filled up at the cost of the first j < i with the buckets so far, and that of the others up to the i-th.

    Args:
        lengths: [examples].
        buckets: how many bounds at most.
        least: examples that each bucket must have at least; where there are fewer at all, there is one
            bucket.
    """
    sizes, counts = np.unique(np.maximum(lengths, 1), return_counts=True)
    sizes, counts = _coarser(sizes, counts)
    shorter = np.concatenate([[0], np.cumsum(counts)])  # [sizes + 1], examples before each size
    inside = shorter[None, 1:] - shorter[:-1, None]  # [first size of a bucket, its last one]
    own_cost = np.where(inside >= least, inside * sizes[None, :].astype(float), np.inf)
    own_cost[np.tril_indices(len(sizes), -1)] = np.inf
    costs = [np.concatenate([[0.0], np.full(len(sizes), np.inf)])]
    firsts = []
    for _ in range(min(buckets, len(sizes))):
        total = costs[-1][:-1, None] + own_cost
        firsts.append(total.argmin(axis=0))
        costs.append(np.concatenate([[np.inf], total.min(axis=0)]))
    used = int(np.argmin([cost[-1] for cost in costs[1:]]))
    if not np.isfinite(costs[used + 1][-1]):
        return [int(sizes[-1])]
    found, end = [], len(sizes)
    for first in reversed(firsts[: used + 1]):
        found.append(int(sizes[end - 1]))
        end = first[end - 1]
    return found[::-1]


def _coarser(sizes: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most so many sizes, neighbours taken together at the greatest of them."""
    groups = np.array_split(np.arange(len(sizes)), min(len(sizes), _DIFFERENT))
    return sizes[[group[-1] for group in groups]], np.array([counts[group].sum() for group in groups])


def divide(lengths: np.ndarray, limits: list[int]) -> list[Bucket]:
    """The buckets of a split, with these bounds."""
    of = np.searchsorted(limits, lengths)
    return [Bucket(bound, np.flatnonzero(of == number)) for number, bound in enumerate(limits)]


def places(rows: np.ndarray, begins: np.ndarray, lengths: np.ndarray, bound: int) -> np.ndarray:
    """Example numbers [batch] and the places of their steps: int32 [batch, 1 + bound], -1 for none."""
    steps = np.arange(bound)[None, :]
    real = (rows[:, None] >= 0) & (steps < lengths[rows][:, None])
    found = np.where(real, begins[rows][:, None] + steps, -1)
    return np.concatenate([rows[:, None], found], axis=1).astype(np.int32)


def _in_order(buckets: list[Bucket], batch_size: int) -> list[Bucket]:
    """The batches of an evaluation, the last one of each bucket filled up with -1."""
    found = []
    for bucket in buckets:
        for first in range(0, len(bucket.rows), batch_size):
            rows = bucket.rows[first : first + batch_size]
            filled = np.pad(rows, (0, batch_size - len(rows)), constant_values=-1)
            found.append(Bucket(bucket.bound, filled))
    return found


def typical(splits: Splits) -> int:
    """The mean length of the training sequences, at least 1."""
    return max(1, round(float(splits["train"]["lengths"].mean())))
