"""Texts from users, as names of classes, files, keys and metrics, in plots, Markdown and on the terminal.

Each is shown as it is: none of its characters is markup of Matplotlib, TeX, Markdown, HTML or rich.
"""

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from run_folders import write_run
from test_plots import record_figures

from rnn_jax.config.objective import Objective
from rnn_jax.reporting import charts, sweep_report
from rnn_jax.reporting.console import build_console
from rnn_jax.reporting.pages import page
from rnn_jax.reporting.pages.collection import collect

ACCURACY = Objective("accuracy", "max")
UNCHANGED = [
    "a$b",
    "$x$",
    "$x^2$ and $y",
    r"\$a$",
    r"$\frac{",
    "a_b",
    "_",
    "5 %",
    r"a\b",
    "<b>",
    "[bold]",
    "שלום",
]
CHANGED = {
    "two\nlines\t": "two lines",
    "nul\0": "nul\N{REPLACEMENT CHARACTER}",
    "not utf-8 \udcff": "not utf-8 ?",
    "x" * 300: "x" * 13 + "…" + "x" * 26,
    "/a/path/that/is/too/long/for/the/$margin/of/a/plot.npz": "/a/path/that/…/the/$margin/of/a/plot.npz",
}
SHOWN = {**{name: name for name in UNCHANGED}, **CHANGED}
NO_GLYPH = ["\U0001f600\U0001f9ff", "हिन्दी", "日本語"]  # Matplotlib's font lacks some of their characters


def texts_of(figure: Any) -> list[Any]:
    """The texts of a figure's axes: titles, ticks, labels, legends."""
    found = []
    for axes in figure.axes:
        legend = axes.get_legend()
        found += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
        found += [*axes.get_yticklabels(), *([] if legend is None else legend.get_texts())]
    return found


def test_names_of_classes_are_drawn_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, names = record_figures(monkeypatch), [*SHOWN, *NO_GLYPH]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = charts.confusion(3 * np.eye(len(names), dtype=int), names, tmp_path / "confusion.png")
        charts.mistakes(np.zeros((4, 8, 8)), names[:4], names[-4:], [0.5] * 4, tmp_path / "mistakes.png")
    assert imread(path).shape[0] < 3000
    drawn = [text for figure in made for text in texts_of(figure)]
    assert not any(text.get_parse_math() or text.get_usetex() for text in drawn)
    assert {*SHOWN.values(), *NO_GLYPH} <= {text.get_text() for text in drawn}


def test_a_single_long_name_leaves_room_for_the_matrix(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a layout without room for the axes
        charts.confusion(3 * np.eye(2, dtype=int), ["x" * 300, "b"], tmp_path / "confusion.png")


def test_a_dollar_is_drawn(tmp_path: Path) -> None:
    """As mathematics, both names would be nothing but space."""
    ink = {}
    for name in ("$$$$", "$  $"):
        path = charts.confusion(3 * np.eye(2, dtype=int), [name, "b"], tmp_path / "confusion.png")
        ink[name] = (1 - imread(path)[..., :3]).sum()
    assert ink["$$$$"] > ink["$  $"] + 500


def sweep_rows(folder: Path, names: list[str]) -> list[dict[str, Any]]:
    """The rows of a sweep over files and rates, and metrics for its curves."""
    rows = []
    for number, name in enumerate(names):
        write_run(folder / "members" / str(number), steps=100)
        best = {"step": 50, "loss": 0.5, "accuracy": 0.5 + number / 100}
        point = {"dataset.file": name, "optimizer.learning_rate": 0.001 * 2**number}
        row = {"member": number, "point": point, "seed": 0, "status": "finished", "best": best, "test": None}
        rows.append({**row, "step": 100, "reason": name})
    return [*rows, {**rows[0], "status": "failed"}]


def test_values_of_a_sweep_are_shown_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, names = record_figures(monkeypatch), [*SHOWN, *NO_GLYPH, "a|b", "*a*", "`a`"]
    monkeypatch.setattr(sweep_report, "new_figure", charts.new_figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = sweep_report.write(
            tmp_path, sweep_rows(tmp_path, names), ACCURACY, lambda point: "run '\udcff'"
        )
    text = report.read_text()
    (table,) = [part for part in text.split("\n\n") if part.startswith("| dataset.file")]
    assert {line.replace(r"\|", "").count("|") for line in table.splitlines()} == {7}
    assert "<b>" not in text.replace(r"\<b>", "")
    assert "run '?'" in text
    curves, keys, pair = made
    assert not any(each.get_parse_math() for figure in made for each in texts_of(figure))
    ticks = [each.get_text() for each in keys.axes[0].get_xticklabels()]
    assert {name for name in SHOWN.values() if len(name) <= 24} <= set(ticks)
    assert max(map(len, ticks)) == 24
    assert [each.get_text() for each in pair.axes[0].get_xticklabels()]
    assert all(len(each.get_text()) < 80 for each in curves.axes[0].get_legend().get_texts())


def test_ticks_of_logarithmic_axes_are_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_figures(monkeypatch)
    monkeypatch.setattr(sweep_report, "new_figure", charts.new_figure)
    sweep_report.write(tmp_path, sweep_rows(tmp_path, list("abcdefghijkl")), ACCURACY, str)
    rates = made[1].axes[1]
    assert rates.get_xscale() == "log"
    ticks = [each.get_text() for each in rates.get_xticklabels() if each.get_text()]
    assert len(ticks) > 2
    assert all(float(each.replace("\N{MINUS SIGN}", "-")) > 0 for each in ticks)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_names_of_classes_take_a_line_on_the_console(is_terminal: bool) -> None:
    """Control characters do not reach a terminal, and long names leave room for the counts."""
    screen, names = io.StringIO(), ["two\nlines", "\x1b[2Jcleared", "x" * 300]
    console = build_console(screen, force_terminal=is_terminal)
    console.confusion(np.eye(3, dtype=int), names)
    console.header({"classes": names[1]})
    console.results([(names[0], {"loss": 0.5})], [names[1]])
    text = screen.getvalue()
    assert "two lines" in text
    assert text.count("\N{REPLACEMENT CHARACTER}[2Jcleared") == 4
    assert "\x1b[2J" not in text
    assert "x" * 30 not in text


@pytest.mark.parametrize("name", ["[bold]x[/]", "[/x]", "$x$", "{task.completed}"])
def test_no_metric_is_markup_of_the_terminal(name: str) -> None:
    screen = io.StringIO()
    console = build_console(screen, force_terminal=True)
    console.start(0, 10, "steps")
    console.log_training(1, {name: 0.5}, 3.0)
    console.stop()
    console.results([(name, {name: 0.5})], [name])
    assert screen.getvalue().count(name) >= 4


def test_the_page_has_every_name(tmp_path: Path) -> None:
    folders = []
    for number, name in enumerate([*SHOWN, *NO_GLYPH]):
        folders.append(write_run(tmp_path / str(number), {"dataset.file": name}))
    values = {run.config["dataset.file"] for run in collect(folders).runs}
    assert values == {*SHOWN, *NO_GLYPH}
    assert set(json.loads(page.to_json({"names": sorted(values)}))["names"]) == values
