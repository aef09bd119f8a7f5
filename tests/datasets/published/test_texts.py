"""The Penn Treebank and tiny Shakespeare: their files, checks and splits."""

import os
from pathlib import Path

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.datasets.published import texts
from rnn_jax.datasets.published.texts import load_ptb, load_tiny_shakespeare, with_last_tenth
from rnn_jax.runtime.errors import UserError


def test_the_last_tenth_is_validation_and_then_test() -> None:
    splits = {name: {"tokens": np.arange(3) + first} for name, first in (("validation", 0), ("test", 3))}
    assert with_last_tenth(splits)["last_tenth"]["tokens"].tolist() == [0, 1, 2, 3, 4, 5]


def test_other_files_than_the_treebank_are_an_error(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        (tmp_path / f"ptb.{name}.txt").write_text(" the cat \n sat \n")
    with pytest.raises(UserError, match=r"ptb.train.txt: has 5 tokens: must have 929,589"):
        load_ptb(data_dir=str(tmp_path / "data"), manual_dir=str(tmp_path))


def test_another_text_than_shakespeares_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("First Citizen:\n")
    with pytest.raises(UserError, match=r"input.txt: not the original file of tiny_shakespeare"):
        load_tiny_shakespeare(data_dir=str(tmp_path / "data"), manual_dir=str(tmp_path))


def test_shakespeare_is_cut_where_tfds_cuts_it(tmp_path: Path) -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(1_015))
    (tmp_path / "input.txt").write_text(text)
    splits = texts._read_shakespeare({"input.txt": tmp_path / "input.txt"})
    parts = {split: arrays["text"].tobytes().decode() for split, arrays in splits.items()}
    assert "".join(parts.values()) == text
    assert {split: len(part) for split, part in parts.items()} == {"train": 913, "validation": 51, "test": 51}


def test_synthetic_doubles_have_vocabularies_and_can_be_learned() -> None:
    found = datasets.build_dataset(name="synthetic", batch_size=2, template="tiny_shakespeare", examples=200)
    assert found.vocabulary is not None
    assert len(found.vocabulary) == found.spec["vocabulary"] == 65
    assert found.counts == {"train": 200, "validation": 50, "test": 50}
    assert found.tested == ["test", "last_tenth"]
    tokens = found.splits["train"]["tokens"]
    followers = {first: set(tokens[1:][tokens[:-1] == first]) for first in set(tokens[:-1])}
    assert max(map(len, followers.values())) <= 2


DATA = os.environ.get("RNN_JAX_DATA")  # tests themselves do not see it
REAL = pytest.mark.skipif(DATA is None, reason="RNN_JAX_DATA names no folder with real data")


@REAL
def test_the_real_treebank(tmp_path: Path) -> None:
    found = datasets.build_dataset(
        name="ptb", batch_size=20, data_dir=str(tmp_path), manual_dir=f"{DATA}/ptb"
    )
    assert found.counts == {"train": 929_589, "validation": 73_760, "test": 82_430}
    assert found.vocabulary is not None
    assert found.vocabulary.tokens[:3] == ("the", "<unk>", "<eos>")
    assert len(found.vocabulary) == 10_000
    begins = found.vocabulary.decode(found.splits["validation"]["tokens"][:5])
    assert begins == "consumers may want to move"
    again = datasets.build_dataset(
        name="ptb", batch_size=20, data_dir=str(tmp_path), manual_dir=f"{DATA}/ptb"
    )
    np.testing.assert_array_equal(again.splits["train"]["tokens"], found.splits["train"]["tokens"])


@REAL
def test_the_real_shakespeare(tmp_path: Path) -> None:
    found = datasets.build_dataset(
        name="tiny_shakespeare", batch_size=20, data_dir=str(tmp_path), manual_dir=f"{DATA}/tiny_shakespeare"
    )
    assert found.counts == {"train": 1_003_854, "validation": 55_770, "test": 55_770}
    assert len(found.splits["last_tenth"]["tokens"]) == 111_540
    assert found.vocabulary is not None
    assert len(found.vocabulary) == 65
    assert found.vocabulary.decode(found.splits["train"]["tokens"][:14]) == "First Citizen:"
