"""Buckets by length: minimal padding, no dropped example, shapes that depend on the step alone."""

import itertools

import numpy as np
import pytest

from rnn_jax.tasks import bucketing


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


def test_training_reads_all_examples_equally_often() -> None:
    arrays = splits(COUNTS)
    select, batches = bucketing.build_select(arrays, 8, 4)
    assert batches["train"] == pytest.approx(203 / 8)
    seen = np.zeros(203, int)
    for step in range(round(20 * 203 / 8)):
        rows = select("train", 3, step)[:, 0]
        assert rows.min() >= 0
        np.add.at(seen, rows, 1)
        if step % 50 == 49:  # no example is more than one pass of its bucket behind
            assert seen.max() - seen.min() <= 2
    assert seen.sum() == 8 * round(20 * 203 / 8)
    assert seen.min() >= 19


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
    steps = [bucketing.bucket_at(step, [100, 60, 44], 8) for step in range(200)]
    for bucket in range(3):  # the batches of a bucket are numbered without a gap
        assert [number for found, number in steps if found == bucket] == list(
            range(sum(found == bucket for found, _ in steps))
        )
    shares = np.bincount([bucket for bucket, _ in steps]) / len(steps)
    assert shares == pytest.approx(np.array([100, 60, 44]) / 204, abs=0.02)
    orders = [[bucket for bucket, _ in steps[first : first + 25]] for first in (0, 26, 52)]
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
