"""The plots of a run."""

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.image import imread

from rnn_jax.config.objective import Objective
from rnn_jax.reporting import charts

ACCURACY = Objective("accuracy", "max")
UPPER_RIGHT, LOWER_RIGHT = 1, 4
VALIDATION = charts.SPLIT_COLOURS["validation"]


def count_pixels(path: Path, colour: str) -> int:
    """The number of pixels with nearly this colour."""
    picture = imread(path)[..., :3]
    return int((np.abs(picture - np.array(colors.to_rgb(colour))).max(axis=-1) < 0.02).sum())


def write_run(folder: Path, rows: list[dict[str, Any]], summary: dict[str, Any] | None = None) -> Path:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def learning(steps: range) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for step in steps:
        rows.append({"step": step, "split": "train", "loss": 200 / step, "accuracy": 1 - 10 / step})
        rows.append({"step": step, "split": "validation", "loss": 220 / step, "accuracy": 1 - 12 / step})
    return rows


def record_figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures created from now on."""
    made: list[Any] = []
    new_figure = charts.new_figure
    monkeypatch.setattr(charts, "new_figure", lambda *size: made.append(new_figure(*size)) or made[-1])
    return made


def test_curves_show_all_splits_the_best_step_and_the_test_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = record_figures(monkeypatch)
    rows = learning(range(20, 2020, 20))
    rows[101]["accuracy"] = 0.9999  # of step 1,020
    rows.append({"step": 50, "split": "batch", "accuracy": 0.9})
    path = charts.curves(write_run(tmp_path, rows, {"test": {"loss": 0.1, "accuracy": 0.975}}), ACCURACY)
    assert path == tmp_path / "curves.png"
    assert imread(path).shape[0] > 500
    assert imread(path).shape[1] > 1000
    assert count_pixels(path, VALIDATION) > 1000
    loss, accuracy = made[0].axes
    assert loss.get_yscale() == "log"
    assert [axes.get_legend()._loc for axes in (loss, accuracy)] == [UPPER_RIGHT, LOWER_RIGHT]
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == [
        "train",
        "validation",
        "batch",
        "test 97.50 %",
        "best, step 1,020: 99.99 %",
    ]
    train, validation = accuracy.lines[:2]
    assert np.allclose(train.get_ydata(), [100 * row["accuracy"] for row in rows[:-1:2]])
    assert list(validation.get_xdata()) == list(range(20, 2020, 20))
    assert accuracy.lines[2].get_linestyle() == "None"
    assert [text.get_text() for text in loss.get_legend().get_texts()][-2:] == [
        "test 0.1000",
        "best, step 1,020: 0.2157",
    ]


def test_the_test_metric_is_within_the_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_figures(monkeypatch)
    rows = [{"step": step, "split": "validation", "accuracy": 0.9} for step in range(10)]
    charts.curves(write_run(tmp_path, rows, {"test": {"accuracy": 0.7}}), ACCURACY)
    bottom, top = made[0].axes[0].get_ylim()
    assert bottom < 70
    assert top > 90


def test_the_latest_of_equal_steps_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_figures(monkeypatch)
    rows = [{"step": step, "split": "validation", "error": error} for step, error in ((1, 3), (2, 2), (3, 2))]
    charts.curves(write_run(tmp_path, rows), Objective("error", "min"))
    (axes,) = made[0].axes
    assert axes.get_legend().get_texts()[-1].get_text() == "best, step 3: 2.0000"


def test_missing_values_are_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_figures(monkeypatch)
    rows = learning(range(20, 220, 20))
    rows[5]["loss"] = rows[5]["accuracy"] = None
    charts.curves(write_run(tmp_path, rows), ACCURACY)
    validation = made[0].axes[0].lines[1]
    assert np.isnan(validation.get_ydata()).tolist() == [n == 2 for n in range(10)]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        learning(range(50, 51)),
        [{"step": 1, "split": "train", "loss": 2.0}],
        [{"step": 1, "split": "train", "loss": None}],
        [{"step": 1, "split": "validation", "loss": None, "accuracy": None}],
        [{"step": 1, "split": "validation", "accuracy": 0.5}],
    ],
)
def test_incomplete_metrics_are_plotted(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = charts.curves(write_run(tmp_path, rows, {"test": None}), ACCURACY)
    assert imread(path).shape[0] > 300


def test_the_confusion_matrix_shows_every_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_figures(monkeypatch)
    matrix = np.array([[980, 0, 1], [2, 1135, 0], [0, 5, 995]])
    path = charts.confusion(matrix, ["0", "1", "2"], tmp_path / "confusion.png")
    (axes,) = made[0].axes
    assert imread(path).shape[0] > 400
    assert [text.get_text() for text in axes.texts] == ["980", "1", "2", "1,135", "5", "995"]
    assert axes.get_title("left") == "3,110 of 3,118 correct (99.74 %)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0  99.9 %", "1  99.8 %", "2  99.5 %"]
    right, wrong = (image.get_array() for image in axes.images)
    assert np.allclose(right.diagonal(), [980 / 981, 1135 / 1137, 0.995])
    assert wrong[2, 1] == pytest.approx(0.005)
    assert wrong.mask.sum() == 6
    assert axes.images[1].norm.vmax < 0.02  # errors have their own scale


@pytest.mark.parametrize(
    ("matrix", "counts"),
    [
        (5 * np.eye(3, dtype=int), 3),
        (np.zeros((2, 2), dtype=int), 0),
        (np.ones((31, 31), dtype=int), 0),  # too crowded for numbers
    ],
)
def test_any_confusion_matrix_can_be_plotted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matrix: np.ndarray, counts: int
) -> None:
    names = [f"class {n}" for n in range(len(matrix))]
    made = record_figures(monkeypatch)
    assert imread(charts.confusion(matrix, names, tmp_path / "confusion.png")).shape[0] > 400
    assert len(made[0].axes[0].texts) == counts


def test_the_most_confident_mistakes_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_figures(monkeypatch)
    images = np.arange(30)[:, None, None] * np.ones((30, 8, 8))
    confidences = np.linspace(0.3, 0.998, 30)
    path = charts.mistakes(images, range(30), [9] * 30, confidences.tolist(), tmp_path / "mistakes.png")
    shown = made[0].axes
    assert len(shown) == 24
    assert shown[0].get_title() == "label 29, predicted 9\n(99.8 %)"
    assert shown[0].images[0].get_array().max() == 29
    assert shown[-1].get_title().startswith("label 6, ")
    assert made[0].get_suptitle() == "The 24 most confident of 30 mistakes"
    assert imread(path).shape[0] > 1000


@pytest.mark.parametrize(
    ("count", "title"), [(0, "No mistakes"), (1, "The only mistake"), (7, "All 7 mistakes")]
)
def test_few_mistakes_make_a_small_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, title: str
) -> None:
    made = record_figures(monkeypatch)
    images = np.zeros((count, 28, 28), np.uint8)
    path = charts.mistakes(images, [4] * count, [9] * count, [0.9] * count, tmp_path / "mistakes.png")
    assert made[0].get_suptitle() == title
    assert len(made[0].axes) == count
    height, width = imread(path).shape[:2]
    assert 50 < height < 800
    assert width == (540 if count < 7 else 1620)


def test_plotting_restores_matplotlibs_settings(tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 7, "savefig.dpi": 50}):
        charts.curves(write_run(tmp_path, learning(range(10, 100, 10))), ACCURACY)
        assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["savefig.dpi"]) == (7, 50)


def test_language_models_have_a_panel_for_perplexity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_figures(monkeypatch)
    rows = [
        {"step": step, "split": split, "loss": float(np.log(value)), "perplexity": value}
        for step, value in ((10, 900.0), (20, 80.0), (30, 85.0))
        for split in ("train", "validation")
    ]
    charts.curves(write_run(tmp_path, rows), Objective("perplexity", "min"))
    assert [axes.get_ylabel() for axes in made[0].axes] == ["loss", "perplexity"]
    assert made[0].axes[1].get_yscale() == "log"
