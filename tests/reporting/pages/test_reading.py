"""What a run folder says, and what is said where it is damaged."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from run_folders import write_lines, write_run

from rnn_jax.reporting.pages import files, reading
from rnn_jax.reporting.pages.folders import Found
from rnn_jax.reporting.pages.reading import (
    Run,
    read_confusion,
    read_curves,
    read_picture,
    read_run,
    read_texts,
)
from rnn_jax.reporting.samples import Samples
from rnn_jax.runtime.errors import UserError


def read(folder: Path) -> Run:
    return read_run(Found(folder, None), "a", None, None)


def test_a_run_is_read(tmp_path: Path) -> None:
    run = read(write_run(tmp_path, {"optimizer.clip_norm": None, "model.layers": [1, 2]}))
    told = json.loads((tmp_path / "summary.json").read_text())
    assert (run.status, run.reason, run.step, run.best_step) == ("finished", None, 1000, told["best"]["step"])
    assert run.figures["validation"] == {key: told["best"][key] for key in ("accuracy", "loss")}
    assert run.figures["test"] == told["test"]
    assert run.config["optimizer.learning_rate"] == 0.004
    assert run.config["optimizer.clip_norm"] is None
    assert run.config["model.layers"] == "[1, 2]"


def test_a_run_that_has_only_begun_says_so(tmp_path: Path) -> None:
    write_run(tmp_path)
    for name in ("summary.json", "metrics.jsonl"):
        (tmp_path / name).unlink()
    run = read(tmp_path)
    assert (run.status, run.step, run.figures["validation"]) == (reading.NO_SUMMARY, None, {})
    assert read_curves(tmp_path) == {}


def test_what_the_sweep_says_of_a_member_goes_before(tmp_path: Path) -> None:
    row = {"status": "pruned", "reason": "worse than the median", "point": {"optimizer.learning_rate": 0.1}}
    run = read_run(Found(write_run(tmp_path), row), "a", tmp_path, None)
    assert (run.status, run.reason, run.point) == ("pruned", "worse than the median", row["point"])
    assert run.figures["validation"]


def test_curves_are_by_split_and_figure_with_gaps(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "split": "train", "loss": 2.0},
        {"step": 2, "split": "validation", "loss": 3, "accuracy": 0.5},
        {"step": 2, "split": "train", "loss": None},
    ]
    write_lines(tmp_path / "metrics.jsonl", rows)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "spl')
    curves = read_curves(tmp_path)
    assert set(curves) == {("train", "loss"), ("validation", "loss"), ("validation", "accuracy")}
    np.testing.assert_array_equal(curves["train", "loss"].steps, [1, 2])
    np.testing.assert_array_equal(curves["train", "loss"].values, [2.0, math.nan])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("nonsense", "no valid JSON"),
        ("[1]", "no JSON object"),
        ('{"split": "train", "loss": 1}', "no step"),
        ('{"step": -1, "split": "train", "loss": 1}', "no step"),
        ('{"step": 1, "loss": 1}', "no split"),
        ('{"step": 1, "split": "train", "loss": "low"}', "loss is no number"),
        ('{"step": 1, "split": "train", "loss": NaN}', "loss is no number"),
        ('{"step": 1, "split": "train", "loss": true}', "loss is no number"),
        ("[" * 100_000, "no valid JSON"),
        ("\udcff", "no valid JSON"),
    ],
)
def test_a_damaged_line_is_named(line: str, what: str, tmp_path: Path) -> None:
    good = '{"step": 1, "split": "train", "loss": 1}'
    text = f"{good}\n{line}\n{good}\n"
    (tmp_path / "metrics.jsonl").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"metrics\.jsonl: damaged, line 2.*{what}"):
        read_curves(tmp_path)


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
def test_a_damaged_object_is_named(name: str, text: str, tmp_path: Path) -> None:
    (write_run(tmp_path) / name).write_text(text)
    with pytest.raises(UserError, match=rf"{name}: damaged"):
        read(tmp_path)


def test_what_can_be_read_and_is_still_too_deep_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep: dict[str, object] = {"a": 1}
    for _ in range(5_000):
        deep = {"a": deep}
    monkeypatch.setattr(files, "read_json", lambda file: deep if file.name == "config.json" else {})
    with pytest.raises(UserError, match=r"config\.json: damaged"):
        read(write_run(tmp_path))


@pytest.mark.parametrize(
    "name", ["config.json", "summary.json", "metrics.jsonl", "confusion.json", "samples.txt"]
)
def test_links_and_pipes_are_not_read(name: str, tmp_path: Path) -> None:
    readers = {
        "config.json": read,
        "summary.json": read,
        "metrics.jsonl": read_curves,
        "confusion.json": read_confusion,
        "samples.txt": read_texts,
    }
    folder, elsewhere = write_run(tmp_path / "run"), tmp_path / "elsewhere"
    elsewhere.write_text("{}")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(UserError, match=f"{name}: is a link"):
        readers[name](folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match=f"{name}: is no file"):
        readers[name](folder)


def test_giants_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES_OF_AN_OBJECT", 100)
    with pytest.raises(UserError, match="MiB, and at most"):
        read(write_run(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        {"classes": ["a", "b"], "matrix": [[1, 2]]},
        {"classes": ["a"], "matrix": [[-1]]},
        {"classes": ["a", "b"], "matrix": [[1, 2], [3]]},
        {"classes": ["a"], "matrix": [["many"]]},
        {"classes": ["a"], "matrix": [[1e300]]},
        {"classes": 2, "matrix": [[1, 2], [3, 4]]},
        {},
    ],
)
def test_a_confusion_matrix_that_is_none_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "confusion.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"confusion\.json: damaged"):
        read_confusion(tmp_path)


def test_a_picture_is_a_png(tmp_path: Path) -> None:
    assert read_picture(tmp_path) is None
    (tmp_path / "mistakes.png").write_bytes(b"<svg onload='alert(1)'>")
    with pytest.raises(UserError, match=r"mistakes\.png: damaged, no PNG"):
        read_picture(tmp_path)


def test_samples_are_latest_first(tmp_path: Path) -> None:
    samples = Samples(tmp_path / "samples.txt")
    for step, text in ((1000, "early"), (20_000, "late")):
        samples.append(step, text)
    assert read_texts(tmp_path) == [(20_000, "late"), (1000, "early")]
