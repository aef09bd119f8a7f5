"""A run folder belongs to its data: others are an error before anything is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnn_jax import main, sweep
from rnn_jax.config.run_folder import RunFolder, open_run
from rnn_jax.config.schema import validate
from rnn_jax.datasets import dataset_info
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime.errors import UserError
from rnn_jax.training.build import build
from rnn_jax.training.run import train

OTHER = "trained on version"
SMALL = {
    "model": {"hidden_size": 3, "implementation": "scan"},
    "optimizer": {"schedule": "constant"},
    "train": {"duration_epochs": None, "duration_steps": 2, "evaluate_every_epochs": None}
    | {"evaluate_every_steps": 1},
    "log": {"tensorboard": False},
    "runtime": {"devices": 1},
}


def write_sequences(file: Path, seed: int) -> None:
    """Write 40 sequences of two classes."""
    x = np.random.default_rng(seed).normal(size=(40, 3, 2)).astype(np.float32)
    np.savez(file, x=x, y=np.arange(40) % 2)


def write_images(folder: Path, seed: int) -> None:
    """Write ten images of each of two classes."""
    rng = np.random.default_rng(seed)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(10):
            Image.fromarray(rng.integers(0, 256, (4, 4), np.uint8)).save(folder / name / f"{number}.png")


def write_text(file: Path, seed: int) -> None:
    """Write a text of random letters."""
    file.write_text("".join(np.random.default_rng(seed).choice(list("abcd "), 400)))


def write_table(file: Path, seed: int) -> None:
    """Write a table of labelled texts."""
    words = np.random.default_rng(seed).choice(["in", "out", "up", "down"], (40, 3))
    rows = "".join(f"{'ab'[number % 2]}\t{' '.join(row)}\n" for number, row in enumerate(words))
    file.write_text(f"label\ttext\n{rows}")


KINDS: dict[str, tuple[str, str, str, str, Callable[[Path, int], None]]] = {
    "sequences": ("sequences", "sequence_classification", "file", ".npz", write_sequences),
    "images": ("image_folder", "classification", "folder", "", write_images),
    "text": ("text", "language_modelling", "file", ".txt", write_text),
    "labelled text": ("labelled_text", "text_classification", "file", ".tsv", write_table),
}


def config_of(kind: str, path: Path) -> dict:
    """Return the config of a run on data of a kind."""
    dataset, task, key, _, _ = KINDS[kind]
    data = {"name": dataset, key: str(path), "batch_size": 4, "data_dir": str(path.parent / "prepared")}
    tokens = {"tokenizer": "characters"} if kind == "text" else {}
    model = {"embedding_size": 3} if kind in ("text", "labelled text") else {}
    task_keys = {"name": task} | ({"bptt_steps": 5, "eval_batch_size": 1} if kind == "text" else {})
    return SMALL | {"dataset": data | tokens, "task": task_keys, "model": SMALL["model"] | model}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of every visible file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_run_rejects_other_data_and_accepts_moved_data(kind: str, tmp_path: Path) -> None:
    _, _, _, suffix, write = KINDS[kind]
    first, other, moved = (tmp_path / f"{name}{suffix}" for name in ("first", "other", "moved"))
    write(first, 1)
    write(other, 2)
    config, _ = validate(config_of(kind, first))
    run = open_run(tmp_path / "run", config)  # that of a finished run, without its training
    dataset_info.save(build(config).data, run, has_checkpoint=False)
    run.write_summary(summary := {"status": "finished", "best": {"step": 2, "accuracy": 0.25}})
    before = contents(run.path)
    for path, message in ((other, OTHER), (tmp_path / f"none{suffix}", "none")):
        with pytest.raises(UserError, match=message):
            train(config_of(kind, path), run.path)
        assert contents(run.path) == before
    (shutil.copytree if first.is_dir() else shutil.copy)(first, moved)
    assert train(config_of(kind, moved), run.path) == summary
    assert str(moved) in run.config.read_text()
    before = contents(run.path)
    write(moved, 3)  # edited in place
    with pytest.raises(UserError, match=OTHER):
        train(config_of(kind, moved), run.path)
    assert contents(run.path) == before


def command_of(file: Path, folder: Path) -> list[str]:
    """Return the arguments that all commands share."""
    config = file.with_name("config.py")
    config.write_text(
        "from ml_collections import ConfigDict\n"
        f"def get_config():\n    return ConfigDict({config_of('sequences', file)!r})\n"
    )
    return ["--config", str(config), "--workdir", str(folder)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    write_sequences(tmp_path / "first.npz", 1)
    write_sequences(tmp_path / "other.npz", 2)
    return tmp_path / "first.npz", tmp_path / "other.npz"


def test_the_command_exits_with_status_2(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main.main(command_of(files[0], run)) == 0
    before = contents(run)
    capsys.readouterr()
    longer = "--config.train.duration_steps=4"
    for path, message in ((files[1], OTHER), (tmp_path / "none.npz", "none.npz: no such file")):
        for more in ([], [longer]):
            assert main.main([*command_of(path, run), *more]) == 2
            printed = capsys.readouterr()
            assert (printed.out, contents(run)) == ("", before)
            assert message in printed.err
    assert main.main([*command_of(files[0], run), longer]) == 0
    summary = RunFolder(run).read_summary()
    assert summary is not None
    assert summary["step"] == 4


@pytest.mark.parametrize("is_study", [False, pytest.param(True, marks=pytest.mark.matrix)])
def test_a_finished_sweep_or_study_rejects_other_data(
    is_study: bool, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sweep"
    more = ["--grid", "optimizer.learning_rate=0.01,0.1"]
    databases = [f"sqlite:///{tmp_path / name}.db" for name in ("first", "second")]

    def run(file: Path, database: str) -> int:
        stored = ["--storage", database] if is_study else []
        return sweep.main([*command_of(file, folder), *more, *stored])

    assert run(files[0], databases[0]) == 0
    before = contents(folder)
    for database in databases[: 1 + is_study]:  # a new study in the folder of another is no way around
        for path, message in ((files[1], "data are sequences"), (tmp_path / "none.npz", "no such file")):
            capsys.readouterr()
            assert run(path, database) == 2
            assert message in capsys.readouterr().err
            assert contents(folder) == before
    moved = files[0].with_name("moved.npz")
    shutil.copy(files[0], moved)
    assert run(moved, databases[0]) == 0
    rows = (json.loads(line) for line in before["results.jsonl"].splitlines())
    assert read_lines(folder / "results.jsonl") == list(rows)


def test_a_sweep_that_was_interrupted_rejects_other_data(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Its members have no checkpoints of their own yet."""
    folder, more = tmp_path / "sweep", ["--grid", "optimizer.learning_rate=0.01,0.1"]
    assert sweep.main([*command_of(files[0], folder), *more]) == 0
    for member in (folder / "members").iterdir():
        (member / "member.json").unlink()
        shutil.rmtree(member / "checkpoints")
    before = contents(folder)
    assert sweep.main([*command_of(files[1], folder), *more]) == 2
    assert contents(folder) == before
