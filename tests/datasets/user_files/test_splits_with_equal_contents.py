"""Splits whose files have the same contents, of every kind of data that has a file for each split."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets


def write_text(path: Path, seed: int) -> None:
    path.write_text(f"number {seed} of the texts\n" * 20)


def write_table(path: Path, seed: int) -> None:
    path.write_text("label\ttext\n" + "".join(f"{row % 2}\ttext {row + seed}\n" for row in range(40)))


def write_arrays(path: Path, seed: int) -> None:
    np.savez(path, x=np.full((40, 3, 2), float(seed)), y=np.arange(40) % 2)


KINDS: dict[str, tuple[str, Callable[[Path, int], None], dict[str, Any]]] = {
    "text": (".txt", write_text, {"tokenizer": "characters", "encoding": "utf-8"}),
    "labelled_text": (
        ".tsv",
        write_table,
        {
            "label_column": "label",
            "text_column": "text",
            "has_header": True,
            "encoding": "utf-8",
            "tokenizer": "words",
            "truncate": "keep_first",
        },
    ),
    "sequences": (".npz", write_arrays, {"truncate": "keep_first"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_contents_are_warned_about(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suffix, write, options = KINDS[kind]
    files = {key: tmp_path / f"{key}{suffix}" for key in ("file", "validation_file", "test_file")}

    def load() -> list[str]:
        capsys.readouterr()
        data_dir = {} if kind == "sequences" else {"data_dir": str(tmp_path / "data")}
        names = {key: str(file) for key, file in files.items()}
        datasets.build_dataset(name=kind, batch_size=2, **names, **options, **data_dir)
        return [line for line in capsys.readouterr().err.splitlines() if "same contents" in line]

    for seed, file in enumerate(files.values()):
        write(file, seed)
    assert load() == []
    shutil.copy(files["file"], files["test_file"])
    problem = "has the same contents as dataset.file: use other examples"
    expected = [f"warning: dataset.test_file = {files['test_file']}: {problem}"]
    assert load() == expected
    assert load() == expected  # from prepared data, too
