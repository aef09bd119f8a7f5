"""IMDB: the authors' archive, an unpacked folder, any archive of that; nothing else."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.published import imdb
from rnn_jax.runtime.errors import UserError

COUNT, VALIDATION = 10, 4


def review(split: str, label: str, number: int) -> bytes:
    return f"{label} film {number} of {split}<br />Number {number}.".encode()


def names() -> list[tuple[str, str, int]]:
    return [
        (split, label, number)
        for split in ("train", "test")
        for label in ("neg", "pos")
        for number in range(COUNT)
    ]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set of forty reviews, which is taken for the original."""
    monkeypatch.setattr(imdb, "_COUNT", COUNT)
    monkeypatch.setattr(imdb, "_VALIDATION", VALIDATION)
    monkeypatch.setattr(
        imdb,
        "_CONTENTS",
        imdb.digest_of(
            {
                f"{split}/{label}/{number}_7": review(split, label, number)
                for split, label, number in sorted(names())
            }
        ),
    )


def unpacked(folder: Path) -> Path:
    for split, label, number in names():
        path = folder / split / label / f"{number}_7.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(review(split, label, number))
    (folder / "README").write_text("not a review")
    return folder


def packed(path: Path, mode: Any, *besides: tarfile.TarInfo) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for split, label, number in reversed(names()):
            data = review(split, label, number)
            member = tarfile.TarInfo(f"./aclImdb/{split}/{label}/{number}_7.txt")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in besides:
            archive.addfile(member)
    return path.parent


FORMS: dict[str, Callable[[Path], Path]] = {
    "folder in a folder": lambda place: unpacked(place / "aclImdb").parent,
    "folder itself": lambda place: unpacked(place / "mine"),
    "tar": lambda place: packed(place / "a" / "reviews.tar", "w"),
    "tar.gz": lambda place: packed(place / "b" / "reviews.tar.gz", "w:gz"),
    "tgz": lambda place: packed(place / "c" / "reviews.tgz", "w:gz"),
}


def load(tmp_path: Path, folder: Path | None, **changes: Any) -> Dataset:
    keys: dict[str, Any] = {"name": "imdb", "batch_size": 2, "tokenizer": "words", "truncate": "keep_last"}
    manual_dir = None if folder is None else str(folder)
    return datasets.build_dataset(data_dir=str(tmp_path / "data"), manual_dir=manual_dir, **keys | changes)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(form: str, tmp_path: Path) -> None:
    found = load(tmp_path, FORMS[form](tmp_path / "original"))
    assert found.counts == {"train": 2 * COUNT - VALIDATION, "validation": VALIDATION, "test": 2 * COUNT}
    assert found.classes == ("neg", "pos")
    assert np.bincount(found.splits["validation"]["targets"]).tolist() == [VALIDATION // 2] * 2
    known, test = found.vocabulary, found.splits["test"]
    assert known is not None
    first = known.decode(test["steps"][: test["lengths"][0]]).split()
    assert first[:2] == ["neg", "film"]
    assert "<" not in first
    again = load(tmp_path, None)  # prepared: nothing is needed
    np.testing.assert_array_equal(again.splits["train"]["steps"], found.splits["train"]["steps"])
    assert load(tmp_path, None, max_length=3).splits["train"]["lengths"].max() == 3


def test_reviews_other_than_the_original_are_an_error(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "aclImdb")
    load(tmp_path, folder)
    (folder / "train" / "pos" / "3_7.txt").write_bytes(b"something else")
    with pytest.raises(UserError, match=r"aclImdb: its reviews are not the original ones; get https://"):
        load(tmp_path, folder)
    (folder / "train" / "pos" / "3_7.txt").unlink()
    with pytest.raises(UserError, match=r"aclImdb: has 39 reviews, .*: must have 40"):
        load(tmp_path, folder)


def test_damaged_archives(tmp_path: Path) -> None:
    (tmp_path / "reviews.tar.gz").write_bytes(b"\x1f\x8b nothing")
    with pytest.raises(UserError, match=r"reviews.tar.gz: damaged"):
        load(tmp_path, tmp_path)
    whole = packed(tmp_path / "b" / "whole.tar.gz", "w:gz") / "whole.tar.gz"
    (tmp_path / "reviews.tar.gz").write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(UserError, match=r"reviews.tar.gz: "):
        load(tmp_path, tmp_path)


LINK = tarfile.TarInfo("aclImdb/train/pos/99_9.txt")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/passwd"
OUTSIDE = tarfile.TarInfo("../../train/pos/1_1.txt/../../escaped.txt")
LARGE = tarfile.TarInfo("aclImdb/train/pos/99_9.txt")
LARGE.size = 1 << 40


@pytest.mark.parametrize("member", [LINK, OUTSIDE, LARGE], ids=lambda member: member.name)
def test_archives_made_to_do_harm(member: tarfile.TarInfo, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"reviews.tar.gz: "):
        load(tmp_path, packed(tmp_path / "a" / "reviews.tar.gz", "w:gz", member))
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_folder_whose_reviews_lead_out_of_it(tmp_path: Path) -> None:
    folder, outside = unpacked(tmp_path / "aclImdb"), tmp_path / "outside.txt"
    outside.write_bytes(review("train", "pos", 3))  # the very review
    (folder / "train" / "pos" / "3_7.txt").unlink()
    (folder / "train" / "pos" / "3_7.txt").symlink_to(outside)
    with pytest.raises(UserError, match=r"3_7.txt: leads out of .*aclImdb: must be inside"):
        load(tmp_path, folder)


def test_a_folder_without_reviews(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"dataset.manual_dir = .*empty: has no aclImdb_v1.tar.gz"):
        load(tmp_path, tmp_path / "empty")


COLLECTION = os.environ.get("RNN_JAX_DATA")


@pytest.mark.skipif(COLLECTION is None, reason="RNN_JAX_DATA is not set")
@pytest.mark.matrix
def test_the_real_reviews(prepared_real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("RNN_JAX_DATA", str(COLLECTION))
    found = datasets.build_dataset(
        name="imdb",
        batch_size=2,
        data_dir=str(prepared_real_data),
        tokenizer="words",
        vocabulary_size=20_000,
        max_length=400,
        truncate="keep_last",
    )
    assert found.counts == {"train": 22_500, "validation": 2_500, "test": 25_000}
    assert np.bincount(found.splits["train"]["targets"]).tolist() == [11_250, 11_250]
    assert len(found.vocabulary or ()) == 20_000
    assert found.splits["test"]["lengths"].max() == 400
