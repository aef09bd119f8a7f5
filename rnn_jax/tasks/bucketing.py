"""Batches of sequences of different lengths, in few shapes: buckets by length.

With three buckets up to 3, 5 and 9 steps, rows of 2, 3, 4 and 9 steps belong to the first, first, second and
third. A batch has rows of one bucket, padded to the bucket's bound. The bounds minimize the padding.

The bucket of a training batch depends on the step alone, so that models with different seeds have batches of
the same shapes at the same steps. An epoch reads every example once, in a new order, in as few batches as
possible: the rows that do not fill the last batch of a bucket, chosen anew in every epoch, are read with the
next longer bucket. Those of the longest one are spread over its batches, which are padded with -1 where the
number of examples is no multiple of the batch size: at least half of each batch are examples. With a single
bucket, batches continue across epochs, as in `ordering.py`.
"""

import functools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from rnn_jax.tasks import ordering
from rnn_jax.tasks.task import Select, Splits

_MAX_SIZES = 1_000  # distinct lengths that the search for bounds considers
_SCHEDULE_SEED = 20_261_125  # of the order of batches in an epoch, the same for all models


def count_batches(counts: Sequence[int], batch_size: int) -> list[int]:
    """Return the number of batches of each bucket in an epoch, for the number of examples of each."""
    ends = np.cumsum(counts)
    batches_before = [0, *(ends[:-1] // batch_size).tolist(), -(-int(ends[-1]) // batch_size)]
    return np.diff(batches_before).tolist()


def draw_epoch(
    members: Sequence[np.ndarray], batch_size: int, seed: int, epoch: int
) -> list[list[np.ndarray]]:
    """Return the examples of each batch of each bucket in an epoch; `members` are those of each bucket."""
    random, left, drawn = np.random.default_rng((seed, epoch)), np.zeros(0, int), []
    batches = count_batches([len(rows) for rows in members], batch_size)
    for rows, count in zip(members, batches, strict=True):
        is_longest = len(drawn) == len(members) - 1
        own = random.permutation(rows)
        read = len(own) if is_longest else count * batch_size - len(left)
        mixed = random.permutation(np.concatenate([left, own[:read]]))
        drawn.append(np.array_split(mixed, count) if count else [])
        left = own[read:]
    return drawn


@functools.lru_cache(maxsize=8)
def order_of_batches(batches: tuple[int, ...], epoch: int) -> np.ndarray:
    """Return the bucket of each batch of an epoch, whose buckets have so many batches."""
    buckets = np.repeat(np.arange(len(batches)), batches)
    return np.random.default_rng((_SCHEDULE_SEED, epoch)).permutation(buckets)


def build_select(splits: Splits, batch_size: int, buckets: int) -> tuple[Select, dict[str, Fraction]]:
    """Build `select` for splits with `lengths` [examples], and count the batches of each split.

    `select(split, seed, step)` returns int32 [batch, 1 + bound]: an example number and the places of the
    example's steps in `steps`, padded with -1.
    """
    bounds = find_bounds(splits["train"]["lengths"], buckets, batch_size)
    bounds[-1] = max(bounds[-1], *(int(arrays["lengths"].max()) for arrays in splits.values()))
    starts = {split: np.cumsum(arrays["lengths"]) - arrays["lengths"] for split, arrays in splits.items()}
    numbers = {split: np.searchsorted(bounds, arrays["lengths"]) for split, arrays in splits.items()}
    members = {
        split: [np.flatnonzero(found == number) for number in range(len(bounds))]
        for split, found in numbers.items()
    }
    batches_of_bucket = tuple(count_batches([len(rows) for rows in members["train"]], batch_size))
    epoch_steps = sum(batches_of_bucket)
    # A population may have as many seeds.
    draw = functools.lru_cache(maxsize=128)(functools.partial(draw_epoch, members["train"], batch_size))

    def training_rows(seed: int, step: int) -> tuple[int, np.ndarray]:
        """The bucket and the examples of a training batch."""
        if len(bounds) == 1:
            return 0, ordering.training_batch(len(members["train"][0]), batch_size, (seed, 0), step)
        epoch, place = divmod(step, epoch_steps)
        order = order_of_batches(batches_of_bucket, epoch)
        number = int(order[place])
        rows = draw(seed, epoch)[number][int((order[:place] == number).sum())]
        return number, np.pad(rows, (0, batch_size - len(rows)), constant_values=-1)

    def batches_of(rows: np.ndarray) -> np.ndarray:
        """The batches [batches, batch_size] of a bucket; the last is padded with -1."""
        return np.pad(rows, (0, -len(rows) % batch_size), constant_values=-1).reshape(-1, batch_size)

    evaluated = {
        split: [
            (bound, batch)
            for bound, rows in zip(bounds, of_bounds, strict=True)
            for batch in batches_of(rows)
        ]
        for split, of_bounds in members.items()
    }

    def select(split: str, seed: int, step: int) -> np.ndarray:
        if split == "train":
            number, rows = training_rows(seed, step)
            bound = bounds[number]
        else:
            bound, rows = evaluated[split][step]
        return places(rows, starts[split], splits[split]["lengths"], bound)

    batches = {split: Fraction(len(each)) for split, each in evaluated.items()}
    whole = Fraction(len(splits["train"]["lengths"]), batch_size)
    return select, batches | {"train": whole if len(bounds) == 1 else Fraction(epoch_steps)}


def find_bounds(lengths: np.ndarray, buckets: int, min_rows: int) -> list[int]:
    """Return the bounds of at most `buckets` buckets that minimize padding; the last is the greatest length.

    Each bucket has at least `min_rows` of the lengths [examples]; with fewer examples, one bucket has all.
    By dynamic programming over the sorted distinct lengths: the cost of the first i lengths with one more
    bucket is the cost of the first j < i with the buckets so far, plus that of one bucket for the lengths
    from j to i.
    """
    sizes, counts = np.unique(np.maximum(lengths, 1), return_counts=True)
    groups = np.array_split(np.arange(len(sizes)), min(len(sizes), _MAX_SIZES))
    sizes, counts = sizes[[each[-1] for each in groups]], np.array([counts[each].sum() for each in groups])
    examples_before = np.concatenate([[0], np.cumsum(counts)])  # [sizes + 1]
    inside = examples_before[None, 1:] - examples_before[:-1, None]  # [first size of a bucket, last size]
    bucket_cost = np.where(inside >= min_rows, inside * sizes[None, :].astype(float), np.inf)
    bucket_cost[np.tril_indices(len(sizes), -1)] = np.inf
    costs = [np.concatenate([[0.0], np.full(len(sizes), np.inf)])]
    firsts = []
    for _ in range(min(buckets, len(sizes))):
        total = costs[-1][:-1, None] + bucket_cost
        firsts.append(total.argmin(axis=0))
        costs.append(np.concatenate([[np.inf], total.min(axis=0)]))
    used = int(np.argmin([cost[-1] for cost in costs[1:]]))
    if not np.isfinite(costs[used + 1][-1]):
        return [int(sizes[-1])]
    bounds, end = [], len(sizes)
    for first in reversed(firsts[: used + 1]):
        bounds.append(int(sizes[end - 1]))
        end = first[end - 1]
    return bounds[::-1]


def places(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray, bound: int) -> np.ndarray:
    """Return the indices [batch, 1 + bound] of some examples: see `build_select`."""
    steps = np.arange(bound)[None, :]
    real = (rows[:, None] >= 0) & (steps < lengths[rows][:, None])
    found = np.where(real, starts[rows][:, None] + steps, -1)
    return np.concatenate([rows[:, None], found], axis=1).astype(np.int32)
