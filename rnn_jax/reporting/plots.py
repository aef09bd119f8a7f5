"""Pictures of a run: learning curves, a confusion matrix, the mistakes. Drawn into files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.charts import Series, add_legend, draw_metric, new_figure, save, scaled, styled
from rnn_jax.reporting.formatting import format_metric
from rnn_jax.reporting.log import read_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPLIT_COLOURS = {"train": "#3b6fb6", "validation": "#e0752d", "batch": "#9fb4cf"}


@styled
def curves(folder: Path, objective: Objective) -> Path:
    """Draws `curves.png` from a run folder's metrics.jsonl, and returns its path.

    A panel each for the loss, the objective's metric and the accuracy, where it was logged: every split over
    the steps, the best validation step marked, the test figure as a dashed line where summary.json has one.
    """
    rows = read_lines(folder / "metrics.jsonl")
    wanted = dict.fromkeys(("loss", objective.metric, "accuracy"))
    names = [name for name in wanted if any(name in row for row in rows)]
    summary_path = folder / "summary.json"
    summary = json.loads(summary_path.read_text(encoding="utf-8")) if summary_path.exists() else {}
    figure = new_figure(5.6 * max(len(names), 1), 4.2)
    best = _best_step(rows, objective)
    for column, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), column + 1)
        by_split = {split: _series(rows, split, name) for split in SPLIT_COLOURS}
        test = (summary.get("test") or {}).get(name)
        draw_metric(axes, name, by_split, SPLIT_COLOURS, faint="batch", level=test)
        if best is not None:
            _mark_best(axes, name, by_split["validation"], best)
        add_legend(axes, name)
    path = folder / "curves.png"
    save(figure, path)
    return path


@styled
def confusion(matrix: np.ndarray, names: Sequence[str], path: Path) -> Path:
    """Draws a confusion matrix [classes, classes] of counts (row: label, column: answer) into `path`.

    The right answers (the diagonal) and the mistakes have a colour scale each, both by the share of the row:
    on a common one, the mistakes of a good model would be invisible.
    """
    classes = len(names)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    wrong = np.where((matrix > 0) & ~np.eye(classes, dtype=bool), shares, np.nan)
    recalls = np.diag(shares)
    side = min(max(4, 1.8 + 0.52 * classes), 24)
    figure = new_figure(side + 0.8 + 0.11 * max(map(len, names)), side)
    axes = figure.add_subplot()
    axes.imshow(np.diag(recalls) + np.where(np.eye(classes), 0, np.nan), cmap="Blues", vmin=0, vmax=2.2)
    axes.imshow(wrong, cmap="Oranges", vmin=0, vmax=1.8 * np.nanmax(wrong, initial=1e-9))
    for row, column in np.argwhere(matrix > 0) if classes <= 30 else ():
        weight = "bold" if row == column else "normal"
        axes.text(
            column, row, f"{matrix[row, column]:,d}", ha="center", va="center", fontsize=9.5, weight=weight
        )
    _label_classes(axes, names, recalls)
    right, total = int(np.trace(matrix)), int(matrix.sum())
    axes.set_title(f"{right:,} of {total:,} right ({format_metric('accuracy', right / max(total, 1))})")
    save(figure, path)
    return path


@styled
def mistakes(
    images: np.ndarray,
    labels: Sequence[object],
    answers: Sequence[object],
    confidences: Sequence[float],
    path: Path,
    *,
    columns: int = 6,
    rows: int = 4,
) -> Path:
    """Draws the most confidently wrong of `images` [n, height, width] into `path`, a grid of them at most.

    `confidences` [n] are the probabilities, 0 to 1, that the model gave to its `answers` [n].
    """
    order = np.argsort(-np.asarray(confidences, dtype=float), kind="stable")[: columns * rows]
    across = max(2, min(columns, len(order)))
    down = -(-len(order) // across)
    figure = new_figure(1.8 * across, 2.1 * down + 0.5)
    figure.suptitle(_mistakes_title(len(order), len(images)), fontsize=12, weight="bold", x=0.02, ha="left")
    for place, n in enumerate(order):
        axes = figure.add_subplot(down, across, place + 1)
        axes.imshow(images[n], cmap="gray_r", vmin=0, vmax=max(images.max(), 1))
        text = f"label {labels[n]}, answered {answers[n]}\n({100 * confidences[n]:.1f} %)"
        axes.set_title(text, fontsize=9, weight="normal", loc="center")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
    save(figure, path)
    return path


def _mistakes_title(shown: int, count: int) -> str:
    if shown < count:
        return f"The {shown} most confident of {count:,} mistakes"
    return {0: "No mistakes", 1: "The only mistake"}.get(count, f"All {count} mistakes")


def _label_classes(axes: "Axes", names: Sequence[str], recalls: np.ndarray) -> None:
    """Names the rows, with the share of each that was recognized, and the columns; draws lines between."""
    crowded = len(names) * max(map(len, names)) > 40
    axes.set_xticks(range(len(names)), names, rotation=90 if crowded else 0)
    rows = [f"{name}  {100 * recall:.1f} %" for name, recall in zip(names, recalls, strict=True)]
    axes.set_yticks(range(len(names)), rows)
    axes.set_xlabel("answer")
    axes.set_ylabel("label, share recognized")
    between = np.arange(len(names) + 1) - 0.5
    axes.set_xticks(between, minor=True)
    axes.set_yticks(between, minor=True)
    axes.grid(visible=False, which="major")
    axes.grid(visible=True, which="minor", color="#dddddd", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _mark_best(axes: "Axes", name: str, validation: Series, step: int) -> None:
    here = validation.values[validation.steps == step]
    if len(here) and np.isfinite(here[0]):
        axes.plot(
            step,
            scaled(name, here[0]),
            marker="o",
            markersize=9,
            markerfacecolor="none",
            markeredgewidth=1.8,
            color=SPLIT_COLOURS["validation"],
            linestyle="",
            label=f"best, step {step:,}: {format_metric(name, here[0])}",
        )


def _best_step(rows: Sequence[Mapping[str, Any]], objective: Objective) -> int | None:
    """The validation step with the best objective, the earliest of equals; None where there is none."""
    series = _series(rows, "validation", objective.metric)
    if not np.isfinite(series.values).any():
        return None
    pick = np.nanargmax if objective.direction == "max" else np.nanargmin
    return int(series.steps[pick(series.values)])


def _series(rows: Sequence[Mapping[str, Any]], split: str, name: str) -> Series:
    of_split = [row for row in rows if row.get("split") == split and name in row]
    values = [np.nan if row[name] is None else row[name] for row in of_split]
    return Series(np.array([row["step"] for row in of_split], dtype=int), np.array(values, dtype=float))
