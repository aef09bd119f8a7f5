"""Buckets by length: minimal padding, every example once an epoch, shapes that depend on the step alone."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from rnn_jax.tasks import bucketing
from rnn_jax.tasks.task import Select


def padded(lengths: np.ndarray, bounds: list[int]) -> int:
    """Steps of all rows with their padding."""
    return sum(min(bound for bound in bounds if bound >= length) for length in lengths)


@pytest.mark.parametrize("buckets", [1, 2, 3, 4])
@pytest.mark.parametrize("min_rows", [1, 7])
def test_bounds_minimize_padding(buckets: int, min_rows: int) -> None:
    """Compared with every possible choice of bounds."""
    lengths = np.random.default_rng(buckets).geometric(0.15, size=60)
    sizes = np.unique(lengths)
    found = bucketing.find_bounds(lengths, buckets, min_rows)
    assert found[-1] == sizes[-1]
    assert len(found) <= buckets
    possible = []
    for count in range(buckets):
        for inner in itertools.combinations(sizes[:-1].tolist(), count):
            bounds = [*inner, int(sizes[-1])]
            inside = np.bincount(np.searchsorted(bounds, lengths), minlength=len(bounds))
            if inside.min() >= min_rows:
                possible.append(padded(lengths, bounds))
    assert padded(lengths, found) == min(possible)
    assert np.bincount(np.searchsorted(found, lengths)).min() >= min_rows


def test_too_few_rows_make_one_bucket() -> None:
    assert bucketing.find_bounds(np.array([1, 5, 9]), 3, min_rows=4) == [9]
    assert bucketing.find_bounds(np.array([0, 0]), 3, min_rows=1) == [1]


def test_many_lengths_are_grouped() -> None:
    lengths = np.arange(1, 30_001)
    found = bucketing.find_bounds(lengths, 3, min_rows=1)
    assert found == pytest.approx([10_000, 20_000, 30_000], rel=0.01)


def splits(counts: dict[str, int], seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    return {split: {"lengths": random.integers(1, 40, size=count)} for split, count in counts.items()}


COUNTS = {"train": 203, "validation": 30, "test": 17}


def read_epoch(select: Select, steps: int, lengths: np.ndarray, batch_size: int, epoch: int) -> np.ndarray:
    """How often an epoch reads each example: whole, and in batches that are at least half full."""
    begins, seen = np.cumsum(lengths) - lengths, np.zeros(len(lengths), int)
    for step in range(epoch * steps, (epoch + 1) * steps):
        batch = select("train", 3, step)
        rows = batch[:, 0]
        real = rows[rows >= 0]
        assert len(batch) == batch_size
        assert 2 * len(real) >= min(batch_size, len(lengths))
        assert (batch[rows < 0] == -1).all()
        np.add.at(seen, real, 1)
        np.testing.assert_array_equal((batch[rows >= 0, 1:] >= 0).sum(axis=1), lengths[real])
        np.testing.assert_array_equal(batch[rows >= 0, 1], begins[real])
    return seen


@pytest.mark.parametrize(
    ("examples", "batch_size", "buckets"),
    [
        *((examples, batch_size, 4) for examples in (203, 300, 1_000) for batch_size in (8, 32, 64)),
        *((examples, 8, 2) for examples in (16, 17, 31, 64, 65)),
        (3_000, 32, 6),
        (3_000, 64, 3),
        (22_528, 64, 6),
    ],
)
def test_an_epoch_reads_every_example_exactly_once(examples: int, batch_size: int, buckets: int) -> None:
    arrays = splits({**COUNTS, "train": examples})
    lengths = arrays["train"]["lengths"]
    select, batches = bucketing.build_select(arrays, batch_size, buckets)
    assert batches["train"] == -(-examples // batch_size)
    for epoch in (0, 1, 7):
        assert (read_epoch(select, int(batches["train"]), lengths, batch_size, epoch) == 1).all()


@pytest.mark.parametrize(("examples", "buckets"), [(203, 1), (10, 4)])
def test_a_single_bucket_is_one_stream(examples: int, buckets: int) -> None:
    arrays = splits({**COUNTS, "train": examples})
    select, batches = bucketing.build_select(arrays, 8, buckets)
    assert batches["train"] == Fraction(examples, 8)
    stream = np.concatenate([select("train", 5, step)[:, 0] for step in range(examples)])
    passes = stream.reshape(8, examples)
    for epoch, rows in enumerate(passes):
        expected = np.random.default_rng((5, 0, epoch)).permutation(examples)
        np.testing.assert_array_equal(rows, expected)


def test_rows_that_do_not_fill_a_batch_go_to_the_next_longer_bucket() -> None:
    assert bucketing.count_batches([20, 17, 9], 8) == [2, 2, 2]
    members = [np.arange(20), np.arange(20, 37), np.arange(37, 46)]
    carried = set()
    for epoch in range(20):
        drawn = bucketing.draw_epoch(members, 8, 0, epoch)
        assert [[len(rows) for rows in batches] for batches in drawn] == [[8, 8], [8, 8], [7, 7]]
        first, second, third = (np.concatenate(batches) for batches in drawn)
        assert first.max() < 20
        assert (second < 20).sum() == 4
        assert second.max() < 37
        assert ((third >= 20) & (third < 37)).sum() == 5
        carried |= set(second[second < 20].tolist())
    assert len(carried) > 15  # not the same ones in every epoch


def test_shapes_depend_on_the_step_alone_and_rows_on_the_seed() -> None:
    arrays = splits(COUNTS)
    select, _ = bucketing.build_select(arrays, 8, 4)
    again, _ = bucketing.build_select(arrays, 8, 4)
    shapes = []
    for step in (0, 1, 2, 57, 13, 4_000):
        first, other = select("train", 0, step), select("train", 1, step)
        np.testing.assert_array_equal(first, again("train", 0, step))
        assert first.shape == other.shape
        assert first[:, 0].tolist() != other[:, 0].tolist()
        shapes.append(first.shape)
    assert len(set(shapes)) > 1


def test_every_epoch_has_a_new_order_of_batches() -> None:
    orders = [bucketing.order_of_batches((12, 8, 6), epoch) for epoch in range(3)]
    for order in orders:
        assert np.bincount(order).tolist() == [12, 8, 6]
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("buckets", [1, 3, 8])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_evaluation_reads_every_example_once(split: str, buckets: int) -> None:
    arrays = splits(COUNTS)
    lengths = arrays[split]["lengths"]
    begins = np.cumsum(lengths) - lengths
    select, batches = bucketing.build_select(arrays, 8, buckets)
    seen = []
    for step in range(int(batches[split])):
        found = select(split, 0, step)
        assert found.shape[0] == 8
        for row, places in zip(found[:, 0], found[:, 1:], strict=True):
            if row < 0:
                assert (places == -1).all()
                continue
            seen.append(row)
            length = lengths[row]
            assert places[:length].tolist() == list(range(begins[row], begins[row] + length))
            assert (places[length:] == -1).all()
    assert sorted(seen) == list(range(len(lengths)))


def test_examples_longer_than_all_training_examples_are_read_whole() -> None:
    arrays = splits(COUNTS)
    arrays["test"]["lengths"][3] = 100
    select, batches = bucketing.build_select(arrays, 8, 3)
    assert max(select("test", 0, step).shape[1] for step in range(int(batches["test"]))) == 101
