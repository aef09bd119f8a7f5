"""Sequences from .npz files: padded or concatenated, labels or real numbers, and invalid arrays."""

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
    "nan": ({"x": NOT_A_NUMBER, "y": LABELS}, r"row 7 of x, step 0: .*nan.*: must be finite"),
    "too large": (
        {"x": np.full((4, 2, 1), 1e300), "y": LABELS[:4]},
        r"row 0 of x, step 0: inf: must be",
    ),
    "no y": ({"x": padded(0.0)}, r"has no array y, only x"),
    "no x": ({"y": LABELS, "data": LABELS}, r"has no array x, only y"),
    "nan to tell": (
        {"x": padded(0.0), "y": np.where(np.arange(50) == 3, np.nan, 1.0)},
        "row 3 of y: must be finite numbers",
    ),
    "pickled": (
        {"x": np.array([wave.tolist() for wave in WAVES], dtype=object), "y": LABELS},
        "contains pickled",
    ),
    "texts": ({"x": padded(0.0).astype(str), "y": LABELS}, "x has type <U32: must be numbers"),
    "another count": ({"x": padded(0.0), "y": LABELS[:-1]}, "x is float32 .50, 8, 3.: must be"),
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
