"""The short form of `mutations.py`: damaged data files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mutations
import pytest
from kind import Kind
from outcomes import Outcome

from rnn_jax.runtime.errors import UserError

pytestmark = pytest.mark.matrix


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNN_JAX_DATA", raising=False)


def test_damaged_files_are_rejected_or_valid(tmp_path: Path) -> None:
    outcome = mutations.measure(tmp_path, 150)
    assert outcome.tried >= 150
    assert outcome.violations == []
    assert int(outcome.measurements["rejected"]) > 75


def reject(folder: Path) -> Any:
    raise UserError(f"{folder}: no")


def omit_the_file(folder: Path) -> Any:
    raise UserError("something is wrong" if (folder / "a").read_bytes() != b"right" else f"{folder}: no")


def fail(folder: Path) -> Any:
    raise KeyError(folder)


READERS: Mapping[str, tuple[Callable[[Path], Any], str]] = {
    "accepts everything": (lambda folder: 0, "was accepted"),
    "rejects everything": (reject, "the valid files are rejected"),
    "does not name the file": (omit_the_file, "something is wrong"),
    "fails": (fail, "KeyError"),
    "waits": (lambda folder: [None for _ in iter(int, 1)], "more than 0.1 s"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_bad_reader_is_reported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trials report readers that break a rule."""
    monkeypatch.setattr(mutations, "SECONDS", 0.1)
    reader, message = READERS[name]
    outcome = Outcome()
    wrong = {"a wrong count": lambda files, number: {"a": b"wrong"}}
    mutations._series(tmp_path, "some", Kind({"a": b"right"}, reader, wrong=wrong), 12, 1, outcome)
    assert any(message in line for line in outcome.violations)
