"""Sequences from .npz files: padded or concatenated, labels or real numbers, and invalid arrays."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.user_files.sequences import read_sequences
from rnn_jax.runtime.errors import UserError

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 9, size=50)
WAVES = [RANDOM.normal(size=(length, 3)).astype(np.float32) for length in LENGTHS]
LABELS = np.arange(50) % 2


def padded(fill: float = np.nan) -> np.ndarray:
    x = np.full((50, 8, 3), fill, np.float32)
    for row, wave in zip(x, WAVES, strict=True):
        row[: len(wave)] = wave
    return x


def write(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def load(file: str, **changes: Any) -> Dataset:
    return datasets.build_dataset(
        **{"name": "sequences", "batch_size": 4, "file": file, "truncate": "keep_first"} | changes
    )


def waves(found: Dataset) -> list[np.ndarray]:
    return [
        part
        for arrays in found.splits.values()
        for part in np.split(arrays["steps"], np.cumsum(arrays["lengths"])[:-1])
    ]


FORMS: dict[str, dict[str, Any]] = {
    "ragged": {"x": np.concatenate(WAVES), "lengths": LENGTHS},
    "padded": {"x": padded(), "lengths": LENGTHS},
    "padded, double precision": {"x": padded(0.0).astype(np.float64), "lengths": LENGTHS.astype(np.int16)},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(form: str, tmp_path: Path) -> None:
    found = load(write(tmp_path / "a.npz", y=LABELS, **FORMS[form]))
    assert found.counts == {"train": 40, "validation": 5, "test": 5}
    assert found.classes == ("0", "1")
    together = sorted((wave.tolist() for wave in waves(found)), key=str)
    assert together == sorted((wave.tolist() for wave in WAVES), key=str)
    train = found.splits["train"]
    assert np.bincount(train["targets"]).tolist() == [20, 20]
    np.testing.assert_allclose(found.spec["means"], train["steps"].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.spec["deviations"], train["steps"].std(axis=0), rtol=1e-5)


def test_labels_stay_with_their_sequences(tmp_path: Path) -> None:
    x = np.repeat(np.arange(50.0), LENGTHS)  # one feature, the row number
    found = load(
        write(tmp_path / "a.npz", x=x, lengths=LENGTHS, y=np.array([f"c{n % 5}" for n in range(50)]))
    )
    for arrays in found.splits.values():
        first = np.cumsum(arrays["lengths"]) - arrays["lengths"]
        rows = arrays["steps"][first, 0].astype(int)
        assert [found.classes[target] for target in arrays["targets"]] == [f"c{row % 5}" for row in rows]
        assert arrays["lengths"].tolist() == LENGTHS[rows].tolist()


@pytest.mark.parametrize(
    "y",
    [
        np.array(["café", "b"] * 25),
        np.array(["café".encode(), b"b"] * 25),
        np.array([["café"], ["b"]] * 25),
    ],
)
def test_labels_in_other_forms(y: np.ndarray, tmp_path: Path) -> None:
    found = load(write(tmp_path / "a.npz", y=y, **FORMS["ragged"]))
    assert found.classes == ("b", "café")
    assert np.bincount(found.splits["train"]["targets"]).tolist() == [20, 20]


def test_one_feature_and_no_lengths(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(50, 6))
    found = load(write(tmp_path / "a.npz", x=x, y=LABELS.astype(bool)))
    assert found.spec["features"] == 1
    assert found.classes == ("False", "True")
    assert {len(wave) for wave in waves(found)} == {6}


def test_real_numbers_to_tell(tmp_path: Path) -> None:
    y = RANDOM.normal(3.0, 2.0, size=(50, 2))
    found = load(write(tmp_path / "a.npz", y=y, **FORMS["ragged"]))
    assert found.classes == ()
    assert found.spec["outputs"] == 2
    train = found.splits["train"]["targets"]
    assert (train.dtype, train.shape) == (np.float32, (40, 2))
    np.testing.assert_allclose(found.spec["target_means"], train.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.spec["target_deviations"], train.std(axis=0), rtol=1e-5)
    assert load(write(tmp_path / "b.npz", y=y[:, 0], **FORMS["ragged"])).spec["outputs"] == 1


def test_files_of_their_own(tmp_path: Path) -> None:
    train, test = (write(tmp_path / f"{name}.npz", y=LABELS, **FORMS["ragged"]) for name in ("train", "test"))
    assert load(train, test_file=test).counts == {"train": 45, "validation": 5, "test": 50}
    found = load(train, test_file=test, max_length=3, truncate="keep_last")
    assert found.notes == (f"{2 * (LENGTHS > 3).sum()} of 100 sequences truncated to the last 3 steps",)
    np.testing.assert_array_equal(
        found.splits["test"]["steps"], np.concatenate([wave[-3:] for wave in WAVES])
    )


def test_sequences_without_a_step_are_counted(tmp_path: Path) -> None:
    lengths = np.concatenate([[0], LENGTHS, [0, 0]])
    labels = np.concatenate([[1], LABELS, [0, 1]])
    found = load(write(tmp_path / "a.npz", x=np.concatenate(WAVES), lengths=lengths, y=labels))
    assert sum(found.counts.values()) == 50
    assert found.notes == ("3 empty sequences left out",)


def test_a_feature_that_never_varies_is_not_divided_by_zero(tmp_path: Path) -> None:
    found = load(write(tmp_path / "a.npz", x=np.ones((50, 4, 2)), y=LABELS))
    assert found.spec["deviations"] == [1.0, 1.0]


NOT_A_NUMBER = padded(0.0)
NOT_A_NUMBER[7, 0, 1] = np.nan
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nan": (
        {"x": NOT_A_NUMBER, "y": LABELS},
        r"row 7 of x, step 0, feature 1: nan: must be finite numbers; replace such values, or leave",
    ),
    "several nan": (
        {"x": np.where(np.arange(50)[:, None, None] % 5 == 2, np.nan, padded(0.0)), "y": LABELS},
        r"row 2 of x, .* \(so 10 of 50 sequences\)",
    ),
    "too large": (
        {"x": np.full((4, 2, 1), 1e300), "y": LABELS[:4]},
        r"row 0 of x, step 0, feature 0: 1e\+300: must be finite numbers of at most 3.4e\+38; divide x by",
    ),
    "too small": (
        {"x": padded(0.0) * np.float64(1e-41), "y": LABELS},
        r"x has values with a standard deviation of .*e-42: must be 1e-30 to 1e\+30; .* x \* 1e4",
    ),
    "targets too large": (
        {"x": padded(0.0), "y": np.linspace(0, 1e20, 50)},
        r"y has values with a standard deviation of 3e\+19: must be 1e-15 to 1e\+15; .* y \* 1e-19",
    ),
    "beyond float64": (
        {"x": 2**60 + np.arange(400).reshape(50, 8), "y": LABELS},
        r"x has whole numbers of 1,152,921,504,606,84\d,\d\d\d, which .*: save x - x.min\(\)",
    ),
    "times": (
        {"x": np.zeros((50, 8), "M8[s]"), "y": LABELS},
        r"x has type datetime64.s.: .* x.astype\(int\)",
    ),
    "no y": (
        {"x": padded(0.0)},
        r"has no array y, only x: name the arrays x and y, .*y=arrays\[\"\.\.\.\"\]",
    ),
    "no x": ({"y": LABELS, "data": LABELS}, r"has no array x, only y, data: .*x=arrays\[\"data\"\]"),
    "other names": (
        {"X_test": LABELS, "X_train": LABELS, "y_test": LABELS, "y_train": LABELS},
        r"no array x and y, .*x=arrays\[\"X_train\"\], y=arrays\[\"y_train\"\]",
    ),
    "no names": (
        {"arr_0": LABELS, "arr_1": LABELS},
        r"only arr_0, arr_1: .*x=arrays\[\"arr_0\"\], y=arrays\[\"arr_1\"\]",
    ),
    "nan to tell": (
        {"x": padded(0.0), "y": np.where(np.arange(50) == 3, np.nan, 1.0)},
        r"row 3 of y: nan: must be finite numbers of at most 3.4e\+38; 1 of 50 rows have others",
    ),
    "pickled": (
        {"x": np.array([wave.tolist() for wave in WAVES], dtype=object), "y": LABELS},
        r"contains pickled .*: x=np.concatenate\(x\), lengths=np.array\(\[len\(sequence\)",
    ),
    "pickled labels": (
        {"x": padded(0.0), "y": LABELS.astype(object)},
        r"contains pickled .*: y=y.astype\(str\), or of numbers to predict y=y.astype\(float\)",
    ),
    "texts": (
        {"x": padded(0.0).astype(str), "y": LABELS},
        r"x has type <U32: must be numbers; save x.astype\(float\)",
    ),
    "another count": (
        {"x": padded(0.0), "y": LABELS[:-1]},
        r"y has 49 examples, but x is float32 .50, 8, 3., which has 50: must be equal$",
    ),
    "lengths forgotten": (
        {"x": np.concatenate(WAVES), "y": LABELS},
        "must be equal; if x has the steps of all sequences, give the number of steps of each sequence",
    ),
    "other lengths": (
        {"x": np.concatenate(WAVES), "y": LABELS, "lengths": LENGTHS - 1},
        r"lengths has 50 values of sum \d+, but x is float32",
    ),
    "two readings": (
        {"x": RANDOM.normal(size=(50, 5)), "y": LABELS, "lengths": np.ones(50, int)},
        r"either sequences of up to 5 steps of one feature, with padding \(save x\[:, :, None\]\), or 50 "
        r"steps of 5 features \(save x\[:, None\] without lengths\)",
    ),
    "two readings with empty sequences": (
        {"x": RANDOM.normal(size=(50, 5)), "y": LABELS, "lengths": 2 * LABELS},
        r"or 50 steps of 5 features \(leave the empty sequences out\)",
    ),
    "targets of steps": (
        {"x": padded(0.0), "y": RANDOM.normal(size=(50, 8, 3))},
        r"y is float64 \[50, 8, 3\]: .*each step are not supported; save .* y.reshape\(len\(y\), -1\)",
    ),
    "labels of steps": (
        {"x": padded(0.0), "y": RANDOM.integers(0, 2, size=(50, 8))},
        r"y is int64 \[50, 8\]: .* labels for each step are not supported; save .* y\[:, -1\]",
    ),
    "one-hot": (
        {"x": padded(0.0), "y": np.eye(2, dtype=int)[LABELS]},
        r"y is int64 \[50, 2\]: .*; save y.argmax\(axis=1\)",
    ),
    "four axes": ({"x": padded(0.0)[None], "y": LABELS}, r"x is float32 \[1, 50, 8, 3\]: must be"),
    "too long": (
        {"x": padded(0.0), "y": LABELS, "lengths": LENGTHS + 5},
        r"row \d+ of lengths is 1\d: must be 0 to 8",
    ),
    "negative": ({"x": padded(0.0), "y": LABELS, "lengths": LENGTHS - 9}, r"row \d+ of lengths is -\d"),
    "real lengths": ({"x": padded(0.0), "y": LABELS, "lengths": LENGTHS * 1.0}, "lengths is float64"),
    "nothing": ({"x": padded(0.0), "y": LABELS, "lengths": 0 * LENGTHS}, "has no sequence with a step"),
    "complex labels": (
        {"x": padded(0.0), "y": np.stack([LABELS, LABELS], axis=1)},
        r"y is int64 \[50, 2\]: must be labels",
    ),
    "one value": ({"x": padded(0.0), "y": 3}, "y is a single value: must be labels"),
    "bytes": (
        {"x": padded(0.0), "y": np.array([b"caf\xe9", b"b"] * 25)},
        "bytes and not UTF-8",
    ),
    "one class": ({"x": padded(0.0), "y": 0 * LABELS}, "has one class, '0'"),
    "a class with one sequence": (
        {"x": padded(0.0), "y": np.maximum(LABELS, np.arange(50) // 49 * 2)},
        "the class '2' has one",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays(case: str, tmp_path: Path) -> None:
    arrays, message = WRONG[case]
    with pytest.raises(UserError, match=rf"a.npz.*{message}" if "should be|" not in message else message):
        load(write(tmp_path / "a.npz", **arrays))


def test_wrong_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", padded(0.0))
    for name, content, message in (
        ("a.npy", None, "is an .npy array: .* reads an .npz file"),
        ("b.npz", b"PK\x03\x04 nothing", "not an .npz file, or damaged"),
        ("c.npz", b"", "is an empty file"),
        ("d.npz", b"cos\nsystem\n(S'true'\ntR.", "is a text: .* reads an .npz file"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            load(str(tmp_path / name))


def test_splits_must_be_alike(tmp_path: Path) -> None:
    train = write(tmp_path / "train.npz", y=LABELS, **FORMS["ragged"])
    for name, arrays, message in (
        (
            "features",
            {"x": padded(0.0)[:, :, :2], "y": LABELS},
            "has 2 features and labels: must have 3 features",
        ),
        (
            "targets",
            {"x": padded(0.0), "y": LABELS * 1.0},
            "3 features and 1 real numbers as targets",
        ),
        (
            "classes",
            {"x": padded(0.0), "y": LABELS + 1},
            "the class '2' is in test, but not in train",
        ),
    ):
        with pytest.raises(UserError, match=message):
            load(train, test_file=write(tmp_path / f"{name}.npz", **arrays))


def test_inputs_alone_need_no_answers(tmp_path: Path) -> None:
    found = read_sequences(Path(write(tmp_path / "a.npz", x=padded(0.0)[:2])), needs_targets=False)
    assert found.targets is None
    assert found.lengths.tolist() == [8, 8]


def test_labels_in_nfc_and_nfd_are_the_same(tmp_path: Path) -> None:
    y = np.array([unicodedata.normalize("NFD" if row % 3 else "NFC", "éà"[row % 2]) for row in range(50)])
    for each in (y, np.char.encode(y, "utf-8")):
        found = load(write(tmp_path / "a.npz", x=padded(), y=each, lengths=LENGTHS))
        assert found.classes == ("à", "é")


@pytest.mark.parametrize("kind", [int, str])
def test_numbers_as_labels_suggest_a_regression(kind: type, tmp_path: Path) -> None:
    remedy = "save y.astype\\(float\\) to predict numbers, with configs/sequences.py:regression"
    with pytest.raises(UserError, match=rf"has one example \(and 49 more classes\): .*; {remedy}"):
        load(write(tmp_path / "a.npz", x=padded(), y=(np.arange(50) * 7).astype(kind), lengths=LENGTHS))
    y = [f"name {row}" for row in range(50)]
    with pytest.raises(UserError, match=r"to train and to test$"):
        load(write(tmp_path / "a.npz", x=padded(), y=y, lengths=LENGTHS))
