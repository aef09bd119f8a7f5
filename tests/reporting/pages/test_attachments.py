"""Curves, confusion matrices, mistakes and samples of a run; damaged files are reported."""

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import write_lines, write_run

from rnn_jax.reporting.charts import Series
from rnn_jax.reporting.log import Samples
from rnn_jax.reporting.pages import attachments
from rnn_jax.reporting.pages.attachments import BUDGET, read_curves, thin
from rnn_jax.reporting.pages.reading import Found, Run, read_run
from rnn_jax.runtime.errors import UserError

COUNTS = {"classes": ["a", "b"], "matrix": [[3, 1], [0, 2]], "split": "test", "step": 7}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read(write_run(tmp_path / "run"))


def read(folder: Path) -> Run:
    return read_run(Found(folder, None), "a", None, None)


# Curves ----------------------------------------------------------------------------------------------------


def test_curves_are_by_split_and_metric_with_gaps(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "split": "train", "loss": 2.0},
        {"step": 2, "split": "validation", "loss": 3, "accuracy": 0.5, "recall": {"a": 0.5, "b": None}},
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
        ("nonsense", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ('{"split": "train", "loss": 1}', "no step"),
        ('{"step": -1, "split": "train", "loss": 1}', "no step"),
        ('{"step": 1, "loss": 1}', "no split"),
        ('{"step": 1, "split": "train", "loss": "low"}', "loss is not a number"),
        ('{"step": 1, "split": "train", "loss": NaN}', "loss is not a number"),
        ('{"step": 1, "split": "train", "loss": true}', "loss is not a number"),
        ("[" * 100_000, "not valid JSON"),
        ("\udcff", "not valid JSON"),
    ],
)
def test_a_damaged_line_is_reported(line: str, what: str, tmp_path: Path) -> None:
    good = '{"step": 1, "split": "train", "loss": 1}'
    text = f"{good}\n{line}\n{good}\n"
    (tmp_path / "metrics.jsonl").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"metrics\.jsonl: damaged, line 2.*{what}"):
        read_curves(tmp_path)


def noise(count: int, seed: int = 0) -> Series:
    random = np.random.default_rng(seed)
    return Series(np.arange(1, count + 1) * 7, random.normal(size=count))


def test_a_short_curve_is_not_thinned() -> None:
    series = noise(100)
    assert thin(series, 100) is series


@pytest.mark.parametrize("count", [101, 102, 199, 5_003, 100_000])
def test_a_thinned_curve_keeps_its_ends_and_extremes_and_given_steps(count: int) -> None:
    series = noise(count, seed=count)
    given = int(series.steps[count // 3])
    short = thin(series, 100, keep={given})
    assert len(short.steps) <= 103
    assert (np.diff(short.steps) > 0).all()
    assert {int(series.steps[0]), int(series.steps[-1]), given} <= set(short.steps.tolist())
    assert short.values.max() == series.values.max()
    assert short.values.min() == series.values.min()
    places = np.searchsorted(series.steps, short.steps)
    np.testing.assert_array_equal(short.values, series.values[places])


def test_every_chunk_keeps_its_extremes() -> None:
    """Against a plain loop."""
    series = noise(1_000)
    short = set(thin(series, 102).steps.tolist())
    for begin in range(0, 1_000, 20):
        chunk = series.values[begin : begin + 20]
        for place in (chunk.argmin(), chunk.argmax()):
            assert int(series.steps[begin + place]) in short


def test_thinned_curves_keep_gaps() -> None:
    steps, values = noise(1_000)
    values[500:] = np.nan
    values[103] = np.nan
    short = thin(Series(steps, values), 50)
    gaps = short.steps[np.isnan(short.values)]
    assert int(steps[103]) in gaps
    assert (gaps >= steps[500]).sum() > 5
    assert np.nanmax(short.values) == np.nanmax(values)


# Confusion matrices ----------------------------------------------------------------------------------------


def test_a_confusion_matrix_has_a_caption(run: Run) -> None:
    (run.folder / "confusion.json").write_text(json.dumps(COUNTS))
    assert attachments.confusion(run, dict(BUDGET)) == {
        "classes": ["a", "b"],
        "matrix": [[3, 1], [0, 2]],
        "caption": "5 of 6 correct (test, step 7).",
    }


def test_of_many_classes_the_most_confused_are_shown(run: Run) -> None:
    matrix = [[row * 100 + column for column in range(100)] for row in range(100)]
    counts = {**COUNTS, "classes": [f"class {n}" for n in range(100)], "matrix": matrix}
    (run.folder / "confusion.json").write_text(json.dumps(counts))
    found = attachments.confusion(run, {**BUDGET, "cells": 3_600})
    assert len(found["classes"]) == len(found["matrix"]) == attachments.MAX_CLASSES == 60
    assert "The 60 classes with most errors of 100" in found["caption"]
    labels = [int(name.partition(" ")[2]) for name in found["classes"]]
    assert found["matrix"][3][5] == matrix[labels[3]][labels[5]]
    assert "Left out" in attachments.confusion(run, {**BUDGET, "cells": 3_599})["note"]


@pytest.mark.parametrize(
    "content",
    [
        {"matrix": [[1, 2]]},
        {"classes": ["a"], "matrix": [[-1]]},
        {"matrix": [[1, 2], [3]]},
        {"classes": ["a"], "matrix": [["many"]]},
        {"classes": ["a"], "matrix": [[1e300]]},
        {"classes": 2},
        {"classes": None, "matrix": None},
    ],
)
def test_a_damaged_confusion_matrix_is_reported(content: dict[str, Any], run: Run) -> None:
    (run.folder / "confusion.json").write_text(json.dumps({**COUNTS, **content}))
    with pytest.raises(UserError, match=r"confusion\.json: damaged"):
        attachments.confusion(run, dict(BUDGET))


@pytest.mark.parametrize(("task", "is_suggested"), [("classification", True), ("language_modelling", False)])
def test_evaluation_is_suggested_for_classifiers(task: str, is_suggested: bool, tmp_path: Path) -> None:
    run = read(write_run(tmp_path, {"task.name": task}))
    (tmp_path / "checkpoints" / "00001000").mkdir(parents=True)
    found = attachments.confusion(run, dict(BUDGET))
    assert ("--mode eval" in found.get("command", "")) == bool(found) == is_suggested


def test_evaluation_is_not_suggested_without_a_best_checkpoint(run: Run) -> None:
    """`--mode eval` would end with status 4."""
    assert "no checkpoint" in attachments.confusion(run, dict(BUDGET))["note"]
    (run.folder / "checkpoints").mkdir()
    assert "no checkpoint" in attachments.confusion(run, dict(BUDGET))["note"]
    (run.folder / "checkpoints" / "00001000").mkdir()
    assert "no best checkpoint" in attachments.confusion(run._replace(best_step=None), dict(BUDGET))["note"]


# Mistakes and samples --------------------------------------------------------------------------------------


def test_mistakes_are_a_png_within_the_budget(run: Run) -> None:
    assert attachments.mistakes(run, dict(BUDGET)) == {}
    (run.folder / "mistakes.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    image = attachments.mistakes(run, {**BUDGET, "image_bytes": 1008})["image"]
    assert base64.b64decode(image.partition(",")[2]) == (run.folder / "mistakes.png").read_bytes()
    assert "Left out" in attachments.mistakes(run, {**BUDGET, "image_bytes": 1007})["note"]
    (run.folder / "mistakes.png").write_bytes(b"<svg onload='alert(1)'>")
    with pytest.raises(UserError, match=r"mistakes\.png: damaged, not a PNG"):
        attachments.mistakes(run, dict(BUDGET))


def test_the_latest_samples_come_first(run: Run) -> None:
    assert attachments.samples(run, dict(BUDGET)) == {"texts": []}
    samples = Samples(run.folder / "samples.txt")
    for step in range(500, 10_500, 500):
        samples.append(step, f"at {step}")
    found = attachments.samples(run, dict(BUDGET))["texts"]
    assert found[0] == ("step 10,000", "at 10000")
    assert len(found) == attachments.MAX_SAMPLES + 1
    assert found[-1] == ("and 10 earlier, in samples.txt", "")
    found = attachments.samples(run, {**BUDGET, "characters": 20})["texts"]
    assert [heading for heading, _ in found] == [
        "step 10,000",
        "step 9,500",
        "and 18 earlier, in samples.txt",
    ]


@pytest.mark.parametrize("name", ["metrics.jsonl", "confusion.json", "mistakes.png", "samples.txt"])
def test_links_and_pipes_are_not_read(name: str, run: Run, tmp_path: Path) -> None:
    readers = {
        "metrics.jsonl": lambda: attachments.curves(run, 100),
        "confusion.json": lambda: attachments.confusion(run, dict(BUDGET)),
        "mistakes.png": lambda: attachments.mistakes(run, dict(BUDGET)),
        "samples.txt": lambda: attachments.samples(run, dict(BUDGET)),
    }
    (tmp_path / "elsewhere").write_text("{}")
    (run.folder / name).unlink(missing_ok=True)
    (run.folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{name}: is a link"):
        readers[name]()
    (run.folder / name).unlink()
    os.mkfifo(run.folder / name)
    with pytest.raises(UserError, match=f"{name}: not a regular file"):
        readers[name]()
