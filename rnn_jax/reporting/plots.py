"""Plots of a run: learning curves, a confusion matrix, mistakes; written to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting import charts
from rnn_jax.reporting.charts import SPLIT_COLOURS, save, styled
from rnn_jax.reporting.formatting import format_metric
from rnn_jax.reporting.log import read_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Names = Sequence[object]
MAX_COLUMNS, MAX_ROWS = 6, 4  # of the grid of mistakes


@styled()
def curves(folder: Path, objective: Objective) -> Path:
    """Plot a run folder's metrics.jsonl into `curves.png`, and return its path.

    One panel each for the loss, the objective and the accuracy, if they were logged: every split over the
    steps, a mark at the best validation step, and a dashed line for the test metric of summary.json.
    """
    rows = read_lines(folder / "metrics.jsonl")
    logged = {name for row in rows for name in row}
    names = [name for name in dict.fromkeys(("loss", objective.metric, "accuracy")) if name in logged]
    summary = RunFolder(folder).read_summary() or {}
    figure = charts.new_figure(5.6 * max(len(names), 1), 4.2)
    # The earliest step with the best objective.
    steps, values = charts.series_of(rows, "validation", objective.metric)
    best = objective.best(values.tolist())
    best_step = None if best is None else int(steps[values == best][0])
    for column, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), column + 1)
        by_split = {split: charts.series_of(rows, split, name) for split in ("train", "validation", "batch")}
        charts.draw_metric(axes, name, by_split, (summary.get("test") or {}).get(name))
        values = by_split["validation"].values[by_split["validation"].steps == best_step]
        if best_step is not None and np.isfinite(values[:1]).any():
            label = f"best, step {best_step:,}: {format_metric(name, values[0])}"
            style: dict[str, Any] = {"color": SPLIT_COLOURS["validation"], "markerfacecolor": "none"}
            style |= {"markersize": 9, "markeredgewidth": 1.8}
            axes.plot(best_step, charts.scaled(name, values[0]), "o", label=label, **style)
        charts.add_legend(axes)
    return save(figure, folder / "curves.png")


@styled()
def confusion(matrix: np.ndarray, names: Sequence[str], path: Path) -> Path:
    """Plot a confusion matrix [classes, classes] of counts (row: label, column: prediction) into `path`.

    Correct predictions (the diagonal) and errors have a colour scale each, relative to the row: on a common
    scale, the errors of a good model would be invisible.
    """
    classes = len(names)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    errors = np.where((matrix > 0) & ~np.eye(classes, dtype=bool), shares, np.nan)
    recalls = np.diag(shares)
    side = min(max(4, 1.8 + 0.52 * classes), 24)
    figure = charts.new_figure(side + 0.8 + 0.11 * max(map(len, names)), side)
    axes = figure.add_subplot()
    axes.imshow(np.diag(recalls) + np.where(np.eye(classes), 0, np.nan), cmap="Blues", vmin=0, vmax=2.2)
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=1.8 * np.nanmax(errors, initial=1e-9))
    for row, column in np.argwhere(matrix > 0) if classes <= 30 else ():
        style: dict[str, Any] = {"fontsize": 9.5, "weight": "bold" if row == column else "normal"}
        axes.text(column, row, f"{matrix[row, column]:,d}", ha="center", va="center", **style)
    _label_classes(axes, names, recalls)
    correct, total = int(np.trace(matrix)), int(matrix.sum())
    accuracy = format_metric("accuracy", correct / max(total, 1))
    axes.set_title(f"{correct:,} of {total:,} correct ({accuracy})")
    return save(figure, path)


@styled()
def mistakes(
    images: np.ndarray, labels: Names, predictions: Names, probabilities: Sequence[float], path: Path
) -> Path:
    """Plot a grid of the most confident mistakes among misclassified `images` [n, height, width] into `path`.

    `probabilities` [n], 0 to 1, are those of the `predictions` [n].
    """
    order = np.argsort(-np.asarray(probabilities, dtype=float), kind="stable")[: MAX_COLUMNS * MAX_ROWS]
    across = max(2, min(MAX_COLUMNS, len(order)))
    down = -(-len(order) // across)
    figure = charts.new_figure(1.8 * across, 2.1 * down + 0.5)
    title = {0: "No mistakes", 1: "The only mistake"}.get(len(images), f"All {len(images)} mistakes")
    if len(order) < len(images):
        title = f"The {len(order)} most confident of {len(images):,} mistakes"
    figure.suptitle(title, fontsize=12, weight="bold", x=0.02, ha="left")
    for place, n in enumerate(order):
        axes = figure.add_subplot(down, across, place + 1)
        axes.imshow(images[n], cmap="gray_r", vmin=0, vmax=max(images.max(), 1))
        text = f"label {labels[n]}, predicted {predictions[n]}\n({100 * probabilities[n]:.1f} %)"
        axes.set_title(text, fontsize=9, weight="normal", loc="center")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
    return save(figure, path)


def _label_classes(axes: "Axes", names: Sequence[str], recalls: np.ndarray) -> None:
    """Label columns with the classes and rows also with their recall; draw lines between cells."""
    is_crowded = len(names) * max(map(len, names)) > 40
    axes.set_xticks(range(len(names)), names, rotation=90 if is_crowded else 0)
    rows = [f"{name}  {100 * recall:.1f} %" for name, recall in zip(names, recalls, strict=True)]
    axes.set_yticks(range(len(names)), rows)
    axes.set(xlabel="prediction", ylabel="label, recall")
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(visible=False, which="major")
    axes.grid(visible=True, which="minor", color="#dddddd", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
