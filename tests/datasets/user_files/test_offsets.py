"""Values that float32 cannot hold: offsets are subtracted in float64; shapes that may have been mistaken."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset, describe
from rnn_jax.datasets.user_files import inputs
from rnn_jax.datasets.user_files.offsets import to_float32
from rnn_jax.runtime.errors import UserError

RANDOM = np.random.default_rng(0)
X = np.cumsum(RANDOM.normal(1, 0.3, (60, 10, 2)), axis=1)
LABELS = np.arange(60) % 2
OFFSETS: dict[str, Any] = {
    "a Unix time": X + 1.7e9,
    "one feature of two": X + np.array([0.0, -3e7]),
    "whole numbers above 2**24": (2**40 + np.round(100 * X)).astype(np.int64),
    "unsigned": (2**31 + np.round(100 * X)).astype(np.uint32),
    "a constant": np.stack([X[:, :, 0], np.full((60, 10), 1.7e9 + 0.3)], axis=2),
    "long double": X.astype(np.longdouble) + 1e12,
}


def load(path: Path, **arrays: Any) -> Dataset:
    np.savez(path, **arrays)
    return datasets.build_dataset(name="sequences", batch_size=4, file=str(path), truncate="keep_first")


def standardized(steps: np.ndarray, spec: dict[str, Any]) -> np.ndarray:
    return (steps - np.array(spec["means"], np.float32)) / np.array(spec["deviations"], np.float32)


@pytest.mark.parametrize("name", OFFSETS)
def test_an_offset_is_subtracted_before_the_conversion(name: str, tmp_path: Path) -> None:
    """Against NumPy in extended precision, for training and for new inputs."""
    x = OFFSETS[name]
    found = load(tmp_path / "a.npz", x=x, y=LABELS)
    exact = x.astype(np.longdouble)
    rows = np.concatenate([split["targets"] for split in found.splits.values()])
    assert np.bincount(rows).tolist() == [30, 30]
    train = found.splits["train"]["steps"].astype(np.longdouble) + np.array(found.spec["shifts"])
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    is_constant = exact.min(axis=(0, 1)) == exact.max(axis=(0, 1))
    expected = (exact - mean) / np.where(is_constant, 1, deviation)
    (block,) = inputs.read_input_sequences([str(tmp_path / "a.npz")], found.spec)
    new = np.stack([each.value for each in block if each.value is not None])
    np.testing.assert_allclose(standardized(new, found.spec), expected, atol=1e-4)
    assert new.dtype == found.splits["train"]["steps"].dtype == np.float32
    known = {tuple(step) for row in new for step in row.tolist()}
    assert {tuple(step) for step in found.splits["test"]["steps"].tolist()} <= known


def test_ordinary_values_are_converted_as_they_are(tmp_path: Path) -> None:
    for x in (X, X.astype(np.float32) + 1e6, np.round(1000 * X).astype(int), np.full((60, 10, 2), 0.1)):
        found = load(tmp_path / "a.npz", x=x, y=LABELS)
        assert "shifts" not in found.spec
        steps = np.sort(np.concatenate([split["steps"] for split in found.splits.values()]), axis=0)
        np.testing.assert_array_equal(steps, np.sort(x.reshape(-1, 2), axis=0).astype(np.float32))
    assert found.spec["deviations"] == [1.0, 1.0]  # of a constant, although its mean is rounded


def test_targets_have_their_own_offsets(tmp_path: Path) -> None:
    y = RANDOM.normal(size=(60, 2)) * 20 + np.array([1.2e9, 5.0])
    found = load(tmp_path / "a.npz", x=X, y=y)
    shifts = np.array(found.spec["target_shifts"])
    assert shifts[1] == 0
    together = np.concatenate([split["targets"] for split in found.splits.values()]) + shifts
    np.testing.assert_allclose(np.sort(together, axis=0), np.sort(y, axis=0), rtol=0, atol=1e-5)
    assert "shifts" not in found.spec


def test_other_values_are_another_version(tmp_path: Path) -> None:
    """So that a model that was trained on rounded values is not continued on others."""
    plain, shifted = (load(tmp_path / "a.npz", x=x, y=LABELS) for x in (X, X + 1.7e9))
    assert plain.version != shifted.version
    for key, value in (("shifts", [1.0]), ("shifts", [1.0, float("inf")])):
        broken = shifted._replace(spec={**shifted.spec, key: value})
        with pytest.raises(UserError, match="damaged: shifts"):
            datasets.specs.check_spec(broken.spec, broken.classes, None, "here")


def test_nan_of_any_kind_is_converted_without_a_warning() -> None:
    signalling = np.array([[0x7FF0000000000001], [0]], np.uint64).view(np.float64)
    assert np.isnan(to_float32(signalling, None)).tolist() == [[True], [False]]


def test_a_new_sequence_with_nan_is_left_out_alone(tmp_path: Path) -> None:
    x = np.where(np.arange(60)[:, None, None] == 7, np.nan, X)
    x[9, 3, 1] = 1e300
    np.savez(tmp_path / "a.npz", x=x, y=np.array([None] * 60))  # y is not read
    (block,) = inputs.read_input_sequences([str(tmp_path / "a.npz")], {"features": 2})
    assert [row for row, each in enumerate(block) if each.value is None] == [7, 9]
    assert block[7].error == f"{tmp_path}/a.npz: row 7 of x, step 0, feature 0: nan: must be finite numbers"
    assert str(block[9].error).endswith(
        "feature 1: 1e+300: must be finite numbers of at most 3.4e+38; divide x by a constant"
    )
    np.testing.assert_array_equal(block[8].value, X[8].astype(np.float32))


def test_mistaken_axes_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = load(tmp_path / "a.npz", x=RANDOM.normal(size=(60, 6, 100)), y=LABELS)
    assert describe(found)["sequences"] == "60 sequences, 6 / 6 / 6 steps (min / median / max), 100 features"
    expected = "every sequence has fewer steps (6 at most) than features (100); if x is [examples, fea"
    assert expected in capsys.readouterr().err
    load(tmp_path / "b.npz", x=X, y=RANDOM.normal(size=(60, 10)))
    assert "y has as many columns as x has steps (10): they are outputs" in capsys.readouterr().err
    load(tmp_path / "c.npz", x=X, y=LABELS)
    assert "steps" not in capsys.readouterr().err


def test_lengths_that_fit_one_reading_alone_are_read(tmp_path: Path) -> None:
    steps = RANDOM.normal(size=(60, 2))
    for lengths in (np.full(60, 1), np.repeat([3, 0, 0], 20)):
        x = steps if lengths.max() > 2 else steps[:, None]
        found = load(tmp_path / "a.npz", x=x, lengths=lengths, y=LABELS)
        assert found.spec["features"] == 2
    assert load(tmp_path / "b.npz", x=steps[:, :1], lengths=np.full(60, 1), y=LABELS).spec["features"] == 1


def test_values_that_float32_merges_are_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holes = X + 1.7e9
    holes[::7, 3] = 0  # for missing values
    merged = len(np.unique(holes[:, :, 1].astype(np.float32)))
    load(tmp_path / "a.npz", x=np.stack([X[:, :, 0], holes[:, :, 1]], axis=2), y=LABELS)
    err = capsys.readouterr().err
    assert "column 0" not in err
    assert f"different values of x, column 1, are {merged} in float32: they differ too little" in err
    load(tmp_path / "a.npz", x=(X[:, :, :1] / 10 + 1.7e9).astype(np.float32), y=LABELS)
    assert "all rows of x are equal: float32 may have rounded them; save float64" in capsys.readouterr().err
    load(tmp_path / "a.npz", x=np.zeros((60, 10, 1)), y=LABELS)
    assert "all rows of x are equal\n" in capsys.readouterr().err
    for x in (X, X + 1.7e9, np.round(X), X.astype(np.float16), X > 5):
        load(tmp_path / "a.npz", x=x, y=LABELS)
        err = capsys.readouterr().err
        assert ("equal" in err, "in float32" in err) == (False, False)
