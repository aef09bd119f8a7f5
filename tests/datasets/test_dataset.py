"""The description of a loaded data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.datasets import dataset as dataset_module
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


def test_unknown_tokens_are_counted_in_every_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "_BLOCK", 3)
    vocabulary = Vocabulary("plain_word", ("a", "<unk>", "b"))
    tokens = {"train": [0, 1, 2, 0, 1, 1, 2, 2], "validation": [1, 1, 1, 0], "test": [0, 2]}
    texts = {split: {"tokens": np.array(own, np.uint16)} for split, own in tokens.items()}
    labelled = {
        split: {"lengths": np.array([1, len(own) - 1]), "steps": np.array(own, np.int32)}
        for split, own in tokens.items()
    }
    expected = "tokens that are <unk>: 37.50 % of train, 75.00 % of validation, 0.00 % of test"
    for splits in (texts, labelled):
        assert describe(Dataset("1.0", {}, splits, vocabulary))["unknown"] == expected
        assert "unknown" not in describe(Dataset("1.0", {}, splits, Vocabulary("byte")))


def test_a_vocabulary_without_a_word_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{number % 2}\tonce{number} only{number}\n" for number in range(40)]
    (tmp_path / "a.tsv").write_text("label\ttext\n" + "".join(rows))
    (tmp_path / "a.txt").write_text("".join(f"once{number} only{number}\n" for number in range(40)))
    kinds: dict[str, dict[str, Any]] = {
        "text": {"file": str(tmp_path / "a.txt")},
        "labelled_text": {
            "file": str(tmp_path / "a.tsv"),
            "label_column": "label",
            "text_column": "text",
            "truncate": "keep_first",
        },
    }
    for name, keys in kinds.items():
        for tokenizer in ("words", "characters"):
            capsys.readouterr()
            datasets.build_dataset(
                name=name, batch_size=2, data_dir=str(tmp_path / "data"), tokenizer=tokenizer, **keys
            )
            warned = (
                "every token is unknown, since no word of the training texts occurs twice: use more texts"
            )
            assert (warned in capsys.readouterr().err) == (tokenizer == "words")
