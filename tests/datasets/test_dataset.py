"""The description of a loaded data set."""

from typing import Any

import numpy as np

from rnn_jax.datasets.dataset import Dataset, describe
from rnn_jax.datasets.vocabulary import Vocabulary


def dataset(train: np.ndarray, classes: tuple[str, ...], **more: Any) -> Dataset:
    splits = {
        name: {"targets": train[:count]}
        for name, count in (("train", len(train)), ("validation", 2), ("test", 1))
    }
    return Dataset(
        name="sounds", version="1.0", spec={}, splits=splits, batch_size=1, classes=classes, **more
    )


def test_counts_and_shares_of_the_training_examples() -> None:
    found = describe(dataset(np.array([0, 1, 1, 1]), ("quiet", "loud")))
    assert found == {
        "data": "sounds 1.0: 4 train, 2 validation, 1 test",
        "classes": "quiet: 25.0 %, loud: 75.0 %",
    }


def test_of_many_classes_the_extremes_are_named() -> None:
    labels = np.repeat(np.arange(14), [5, 5, 1, 5, 5, 9, 5, 5] + [1] * 6)
    found = describe(dataset(labels, tuple("abcdefghijklmn")))
    assert found["classes"] == "14; the rarest c: 2.2 %, the most frequent f: 19.6 %"


def test_a_class_that_no_training_example_has_is_not_lost() -> None:
    assert describe(dataset(np.array([0, 0]), ("a", "b")))["classes"] == "a: 100.0 %, b: 0.0 %"


def test_lengths_tokens_and_notes() -> None:
    lengths = {"train": [1, 2, 2000], "validation": [3], "test": [4]}
    splits = {
        name: {"lengths": np.array(own, np.int32), "targets": np.zeros((len(own), 1), np.float32)}
        for name, own in lengths.items()
    }
    found = describe(
        Dataset(
            name="sounds",
            version="1.0",
            spec={},
            splits=splits,
            batch_size=1,
            vocabulary=Vocabulary("byte"),
            notes=("1 of 5 cut to their first 2,000 steps", "2 rows left out"),
        )
    )
    assert found == {
        "data": "sounds 1.0: 3 train, 1 validation, 1 test; 256 different bytes",
        "lengths": "shortest 1, median 3, longest 2,000",
        "note": "1 of 5 cut to their first 2,000 steps; 2 rows left out",
    }
