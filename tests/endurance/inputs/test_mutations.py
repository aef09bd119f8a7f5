"""The short form of `mutations.py`: damaged data files."""

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import folder_kinds
import mutations
import pytest
import table_kinds
from kind import Kind
from outcomes import Outcome

from rnn_jax.datasets.user_files.labelled_texts import read_labelled_texts
from rnn_jax.runtime.errors import UserError

pytestmark = pytest.mark.matrix


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNN_JAX_DATA", raising=False)


def test_damaged_files_are_rejected_or_valid(tmp_path: Path) -> None:
    outcome = mutations.measure(tmp_path, 300)
    assert outcome.tried >= 300
    assert outcome.violations == []
    assert int(outcome.measurements["rejected"]) > 150


@pytest.mark.parametrize("name", table_kinds.FORMS)
def test_every_form_of_a_table_has_its_rows(name: str, tmp_path: Path) -> None:
    form = table_kinds.FORMS[name]
    (tmp_path / f"a{form.suffix}").write_bytes(form.contents)
    found = read_labelled_texts(tmp_path / f"a{form.suffix}", form.columns)
    read = [
        (label, unicodedata.normalize("NFC", text))
        for label, text in zip(found.labels, found.texts, strict=True)
    ]
    assert read == list(form.rows)


def test_arrangements_of_a_folder_differ() -> None:
    files = folder_kinds.LAYOUTS["classes"]
    arranged = {tuple(folder_kinds._arranged(files, number)) for number in range(100)}
    assert len(arranged) > 50


def reject(folder: Path) -> Any:
    raise UserError(f"{folder}: no")


def omit_the_file(folder: Path) -> Any:
    raise UserError("something is wrong" if (folder / "a").read_bytes() != b"right" else f"{folder}: no")


def fail(folder: Path) -> Any:
    raise KeyError(folder)


READERS: Mapping[str, tuple[Callable[[Path], Any], str]] = {
    "accepts everything": (lambda folder: 0, "was accepted"),
    "rejects everything": (reject, "the original files are rejected"),
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
