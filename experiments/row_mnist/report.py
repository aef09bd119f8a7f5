"""The table and the figure of this experiment, from results.jsonl and curves.jsonl."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import records
from records import Column, Record

from rnn_jax.reporting.charts import Series, add_legend, draw_metric, new_figure, styled

COLUMNS = (
    Column("config", records.describe),
    Column("test accuracy", records.percent("test.accuracy")),
    Column("validation accuracy", records.percent("best.accuracy")),
    Column("seeds", records.count),
    Column("steps", records.spread("step")),
    Column("parameters", records.spread("parameters")),
    Column("time", records.duration("wall_seconds")),
    Column("machine", records.machines),
)
RECIPES = {  # colours on the left side of the figure
    "configs/mnist.py:seed": "#7a7a7a",
    "configs/mnist.py": "#3b6fb6",
    "configs/mnist.py:shifted": "#2f9e6e",
}


def table(rows: Sequence[Record]) -> str:
    """Return the table of results, a row per recipe, in alphabetical order."""
    ordered = sorted(rows, key=lambda row: (row["config"], str(row["overrides"]), row["seed"]))
    return records.table(ordered, COLUMNS)


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png from curves.jsonl; return its path."""
    curves = [row for row in records.read(folder / "curves.jsonl") if not row["overrides"]]
    figure = new_figure(12, 4.4)
    _draw_errors(figure.add_subplot(1, 2, 1), curves)
    axes = figure.add_subplot(1, 2, 2)
    of_seed = [row for row in curves if row["config"] == "configs/mnist.py:seed" and row["seed"] == 0]
    series = {row["split"]: _series(row) for row in of_seed}
    if series:
        draw_metric(axes, "accuracy", series)
        add_legend(axes)
    axes.set_title("the seed recipe, 100,000 steps")
    path = folder / "figure.png"
    figure.savefig(path)
    return path


def _draw_errors(axes: Any, curves: Sequence[Record]) -> None:
    """Plot validation error (%) by step on logarithmic axes: a line per seed, a colour per recipe."""
    for config, colour in RECIPES.items():
        rows = [row for row in curves if row["config"] == config and row["split"] == "validation"]
        for n, row in enumerate(rows):
            error = 100 * (1 - _series(row).values)
            label = config if n == 0 else None
            axes.plot(row["steps"], error, color=colour, label=label, linewidth=1.2, alpha=0.85)
    axes.set(xscale="log", yscale="log", xlabel="step", ylabel="validation error (%)")
    axes.set_title("error on the validation images")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    if axes.lines:
        axes.legend(loc="upper right")


def _series(row: Record) -> Series:
    return Series(np.array(row["steps"]), np.array(row["accuracy"], dtype=float))


TABLES = {"row_mnist": table}
