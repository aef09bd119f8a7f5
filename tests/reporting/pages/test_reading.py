"""Configs and summaries of runs; damaged files are reported."""

import json
import os
from pathlib import Path

import pytest
from run_folders import write_run

from rnn_jax.reporting.pages import reading
from rnn_jax.reporting.pages.reading import Found, Run, read_run
from rnn_jax.runtime.errors import UserError


def read(folder: Path) -> Run:
    return read_run(Found(folder, None), "a", None, None)


def test_a_run_is_read(tmp_path: Path) -> None:
    run = read(write_run(tmp_path, {"optimizer.clip_norm": None, "model.layers": [1, 2]}))
    summary = json.loads((tmp_path / "summary.json").read_text())
    best = summary["best"]
    assert (run.status, run.reason, run.step, run.best_step) == ("finished", None, 1000, best["step"])
    assert run.metrics["validation"] == {key: best[key] for key in ("accuracy", "loss")}
    assert run.metrics["test"] == summary["test"]
    assert run.config["optimizer.learning_rate"] == 0.004
    assert run.config["optimizer.clip_norm"] is None
    assert run.config["model.layers"] == "[1, 2]"
    assert not {"format", "plugins"} & set(run.config)


def test_a_run_may_have_no_summary_yet(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "summary.json").unlink()
    run = read(tmp_path)
    assert (run.status, run.step, run.metrics["validation"]) == (reading.NO_SUMMARY, None, {})


def test_the_row_of_a_member_replaces_its_summary(tmp_path: Path) -> None:
    row = {"status": "pruned", "reason": "worse than the median", "point": {"optimizer.learning_rate": 0.1}}
    run = read_run(Found(write_run(tmp_path), row), "a", tmp_path, None)
    assert (run.status, run.reason, run.point) == ("pruned", "worse than the median", row["point"])
    assert run.metrics["validation"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", '{"a": ' * 100_000 + "1" + "}" * 100_000),
        ("summary.json", "{"),
        ("summary.json", '"finished"'),
        ("summary.json", '{"best": [1]}'),
        ("summary.json", '{"test": 0.5}'),
    ],
)
def test_damaged_files_are_reported(name: str, text: str, tmp_path: Path) -> None:
    (write_run(tmp_path) / name).write_text(text)
    with pytest.raises(UserError, match=rf"{name}: damaged"):
        read(tmp_path)


def test_deeply_nested_configs_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep: dict[str, object] = {"a": 1}
    for _ in range(5_000):
        deep = {"a": deep}
    monkeypatch.setattr(reading, "read_json", lambda file: deep if file.name == "config.json" else {})
    with pytest.raises(UserError, match=r"config\.json: damaged"):
        read(write_run(tmp_path))


def test_giant_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_OBJECT_BYTES", 100)
    with pytest.raises(UserError, match="MiB, must be at most"):
        read(write_run(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "summary.json"])
def test_links_and_pipes_are_not_read(name: str, tmp_path: Path) -> None:
    folder, elsewhere = write_run(tmp_path / "run"), tmp_path / "elsewhere"
    elsewhere.write_text("{}")
    (folder / name).unlink()
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(UserError, match=f"{name}: is a link"):
        read(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match=f"{name}: not a regular file"):
        read(folder)
