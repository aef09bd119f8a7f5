"""The examples of each batch."""

import numpy as np
import pytest

from rnn_jax.tasks import ordering


def splits(name: str, count: int) -> dict[str, dict[str, np.ndarray]]:
    return {name: {"numbers": np.zeros(count)}}


def test_batches_continue_across_epochs_and_drop_no_example() -> None:
    select, _ = ordering.build_select(splits("train", 10), batch_size=4)
    seen = np.concatenate([select("train", 0, step) for step in range(5)])
    assert sorted(seen[:10]) == list(range(10))
    assert sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()


def test_a_batch_larger_than_the_set_spans_epochs() -> None:
    select, _ = ordering.build_select(splits("train", 3), batch_size=8)
    assert sorted(select("train", 0, 0)[:6]) == [0, 0, 1, 1, 2, 2]


def test_the_order_is_a_function_of_seed_and_step() -> None:
    select, again = (ordering.build_select(splits("train", 50), batch_size=20)[0] for _ in range(2))
    np.testing.assert_array_equal(select("train", 3, 7), again("train", 3, 7))
    assert select("train", 3, 7).tolist() != select("train", 4, 7).tolist()


def test_the_order_has_not_changed() -> None:
    # May change only together with the results in experiments/, which depend on it.
    assert ordering.epoch_order(10, (0,), 0).tolist() == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_other_splits_are_read_once_and_padded(split: str) -> None:
    select, _ = ordering.build_select(splits(split, 5), batch_size=4)
    assert select(split, 9, 0).tolist() == [0, 1, 2, 3]
    assert select(split, 9, 1).tolist() == [4, -1, -1, -1]
