"""Splits of small classes, folds of cross-validation, and warnings about small splits."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset, describe
from rnn_jax.datasets.splitting import (
    add_missing_splits,
    fold_rows,
    fold_splits,
    split_warnings,
    stratified_order,
)
from rnn_jax.runtime.errors import UserError

SMALL = np.repeat([0, 1], [54, 6]).astype(np.int32)


def split(labels: np.ndarray, **given: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of each split."""
    arrays = {"inputs": np.arange(len(labels)), "targets": labels}
    held = {name: {"inputs": own, "targets": own} for name, own in given.items()}
    found = add_missing_splits({"train": arrays, **held}, (), "here")
    return {name: own["inputs"] for name, own in found.items()}


def write(kind: str, folder: Path, labels: np.ndarray) -> dict[str, Any]:
    """Write the files of a data set with these labels; return its options."""
    folder.mkdir()
    if kind == "sequences":
        x = np.random.default_rng(0).normal(size=(len(labels), 4, 2)) + 3
        np.savez(folder / "a.npz", x=x, y=labels)
        return dict(file=str(folder / "a.npz"), truncate="keep_first")
    if kind == "labelled_text":
        lines = [f"c{label}\tboth both only{row} only{row}" for row, label in enumerate(labels)]
        (folder / "a.tsv").write_text("\n".join(["label\ttext", *lines, ""]))
        columns = dict(label_column="label", text_column="text", has_header=True, encoding="utf-8")
        return dict(columns, file=str(folder / "a.tsv"), tokenizer="words", truncate="keep_first")
    for row, label in enumerate(labels):
        path = folder / f"c{label}" / f"{row:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (3, 3), int(row)).save(path)
    return dict(folder=str(folder))


def load(kind: str, tmp_path: Path, labels: np.ndarray, **changes: Any) -> Dataset:
    folder = tmp_path / f"{kind}-{len(labels)}"
    options = write(kind, folder, labels) if not folder.exists() else write(kind, tmp_path / "again", labels)
    return datasets.build_dataset(
        name=kind, batch_size=4, data_dir=str(tmp_path / "data"), **options, **changes
    )


KINDS = ("sequences", "labelled_text", "image_folder")


@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_puts_a_small_class_into_every_split(kind: str, tmp_path: Path) -> None:
    found = load(kind, tmp_path, SMALL)
    counts = {name: np.bincount(own["targets"]).tolist() for name, own in found.splits.items()}
    assert counts == {"train": [44, 4], "validation": [5, 1], "test": [5, 1]}


def test_a_split_changes_only_where_a_class_is_missing() -> None:
    """Against the plain tenths of the stratified order, and a count of what has room, over random classes."""
    random, changed = np.random.default_rng(0), 0
    for _ in range(300):
        sizes = random.integers(2, random.choice([5, 12, 60]), size=random.integers(2, 7))
        labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
        held = round(0.1 * len(labels))
        if not held:
            continue
        found, order = split(labels), stratified_order(labels)
        plain = {"validation": order[:held], "test": order[held : 2 * held], "train": order[2 * held :]}
        assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(labels)))
        assert {name: len(rows) for name, rows in found.items()} == {k: len(v) for k, v in plain.items()}
        needed = {"train": sizes >= 2, "test": sizes >= 2, "validation": sizes >= 3}
        present = {name: np.isin(np.arange(len(sizes)), labels[rows]) for name, rows in plain.items()}
        if all((present[name] | ~needed[name]).all() for name in plain):
            for name, rows in plain.items():
                np.testing.assert_array_equal(found[name], np.sort(rows))
        else:
            changed += 1
        for name, rows in found.items():
            here = np.unique(labels[rows])
            if name == "train" or held >= len(sizes):
                assert set(np.flatnonzero(needed[name])) <= set(here.tolist())
            else:  # there is room for one example of as many classes
                assert len(here) == held
    assert 50 < changed < 290


def test_a_given_test_file_is_not_touched() -> None:
    found = split(np.repeat([0, 1], [30, 3]).astype(np.int32), test=np.array([0, 0]))
    assert found["test"].tolist() == [0, 0]
    assert (found["validation"] >= 30).sum() == 1


@pytest.mark.parametrize(
    ("sizes", "folds"), [((54, 6), 5), ((54, 6), 7), ((3, 3, 3), 9), ((20,), 3), ((9, 4, 2, 8), 4)]
)
def test_folds_partition_the_examples(sizes: tuple[int, ...], folds: int) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = fold_rows(labels, folds)
    each = len(labels) // folds
    assert [len(own) for own in rows] == [each] * folds
    assert len(set(rows.ravel().tolist())) == each * folds
    counts = np.array([np.bincount(labels[own], minlength=len(sizes)) for own in rows])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1
    always = np.setdiff1d(np.arange(len(labels)), rows)
    assert len(always) == len(labels) % folds
    np.testing.assert_array_equal(fold_rows(labels, folds), rows)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_fold_is_fitted_on_its_validation_examples(kind: str, tmp_path: Path) -> None:
    labels = np.arange(47, dtype=np.int32) % 2
    plain = load(kind, tmp_path, labels)
    options = write(kind, tmp_path / "folds", labels)

    def fold(number: int | None) -> Dataset:
        options["validation_folds"], options["validation_fold"] = 4, number
        return datasets.build_dataset(name=kind, batch_size=4, data_dir=str(tmp_path / "data"), **options)

    def examples(found: Dataset, split: str) -> list[Any]:
        arrays = found.splits[split]
        if "inputs" in arrays:
            return [image[0, 0].item() for image in arrays["inputs"]]
        parts = np.split(arrays["steps"], np.cumsum(arrays["lengths"])[:-1])
        if found.vocabulary is None:
            return [part.ravel().tolist() for part in parts]
        return [found.vocabulary.decode(part).strip() for part in parts]

    last, parts = fold(None), [fold(number) for number in range(4)]
    assert last.counts == {"train": 42, "test": 5}
    assert "42 train, 5 test" in describe(last)["data"]
    for found in parts:
        assert found.counts == {"train": 32, "validation": 10, "test": 5}
        if kind == "labelled_text":
            assert found.vocabulary is not None
            words = {word for text in examples(found, "train") for word in text.split()}
            assert set(found.vocabulary.tokens) - {"<unk>"} == words - {"<unk>"}
            assert set(examples(found, "validation")) == {"both both <unk> <unk>"}
        elif kind == "sequences":
            steps = np.array(examples(found, "train")).reshape(-1, 2)
            np.testing.assert_allclose(found.spec["means"], steps.mean(axis=0), rtol=1e-6)
            np.testing.assert_allclose(found.spec["deviations"], steps.std(axis=0), rtol=1e-6)
    if kind != "labelled_text":  # unknown words look the same
        held = [str(each) for found in parts for each in examples(found, "validation")]
        everything = {str(each) for each in examples(last, "train")}
        assert len(held) == len(set(held)) == 40
        assert set(held) < everything
        assert {str(each) for each in examples(last, "test")} == {
            str(each) for each in examples(plain, "test")
        }
        assert not everything & {str(each) for each in examples(last, "test")}


def test_more_folds_than_examples() -> None:
    splits = {name: {"targets": np.zeros(3, np.int32)} for name in ("train", "validation", "test")}
    assert fold_splits(splits, 6, 5, "here").keys() == splits.keys()
    with pytest.raises(
        UserError, match=r"validation_folds = 7: must be at most 6, the examples of here that"
    ):
        fold_splits(splits, 7, 0, "here")


def dataset(classes: tuple[str, ...], **counts: list[int]) -> Dataset:
    kind = np.int32 if classes else np.float32
    splits = {
        name: {"targets": np.repeat(np.arange(len(own)), own).astype(kind)} for name, own in counts.items()
    }
    return Dataset("1", {}, splits, None, classes)


def test_a_split_without_a_class_is_reported_with_counts() -> None:
    found = split_warnings(dataset(("a", "b", "c"), train=[9, 4, 0], validation=[100, 3], test=[7]))
    assert found == ["test has no example of 1 of 3 classes: 'b' (4 in train)"]
    assert split_warnings(dataset(("a", "b"), train=[9, 4], validation=[50, 50], test=[1, 1])) == []


def test_a_class_with_more_than_nine_tenths_is_reported() -> None:
    held_out = {"validation": [95, 5], "test": [95, 5]}
    (found,) = split_warnings(dataset(("usual", "rare"), train=[760, 40], **held_out))
    assert found.startswith("95.0 % of the training examples are of class 'usual', ")
    assert found.endswith("--config.task.class_weights=balanced weights the loss")
    assert split_warnings(dataset(("usual", "rare"), train=[900, 100], **held_out)) == []


def test_a_small_validation_set_is_reported_with_its_standard_error() -> None:
    """The worst case of an accuracy is that of a fair coin; of squared errors, that of a chi-squared mean."""
    (found,) = split_warnings(dataset(("a", "b"), train=[9, 9], validation=[9, 16], test=[1, 1]), "; do")
    worst = max(math.sqrt(p * (1 - p) / 25) for p in np.linspace(0, 1, 101))
    assert (
        f"validation has 25 examples: its accuracy has a standard error of up to {100 * worst:.1f} " in found
    )
    assert found.endswith("; do")
    (found,) = split_warnings(dataset((), train=[9], validation=[50], test=[1]))
    means = (np.random.default_rng(0).normal(size=(20_000, 50)) ** 2).mean(axis=1)
    assert "mean squared error has a standard error of about 20 %" in found
    assert means.std() == pytest.approx(0.2, rel=0.02)
    assert split_warnings(dataset((), train=[9], validation=[100], test=[1])) == []


def test_own_data_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load("sequences", tmp_path, SMALL)
    error = capsys.readouterr().err
    assert "warning: validation has 6 examples" in error
    assert "dataset.validation_folds=5 cross-validates" in error
    load("sequences", tmp_path, SMALL, validation_folds=3, validation_fold=1)
    datasets.build_dataset(name="synthetic", batch_size=4, template="sequences", examples=40)
    assert capsys.readouterr().err == ""
