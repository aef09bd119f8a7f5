"""Curves, confusion matrices, pictures and samples as the page draws them: bounded, best runs first."""

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.reporting.charts import Series
from rnn_jax.reporting.pages.reading import (
    Run,
    holds_checkpoints,
    read_confusion,
    read_curves,
    read_picture,
    read_texts,
)
from rnn_jax.reporting.pages.thinning import thin

MOST_CURVES = 200  # runs that have curves
POINTS_OF_A_CHART = 60_000
FEWEST_POINTS, MOST_POINTS = 100, 2_000  # of a curve
MOST_CLASSES = 60  # of a confusion matrix
CELLS_OF_ALL = 200_000  # of all confusion matrices
PICTURES_OF_ALL = 3_000_000  # bytes
MOST_SAMPLES = 10  # of a run
SAMPLES_OF_ALL = 1_000_000  # characters

NAMING_CLASSES = ("classification", "text_classification", "sequence_classification")
"""Tasks of which `--mode eval` counts what was taken for what."""


class Room:
    """So much of something as may still go into the page."""

    def __init__(self, most: int) -> None:
        self._left = most

    def takes(self, size: int) -> bool:
        """Whether there is room for so much, which is then taken."""
        if size > self._left:
            return False
        self._left -= size
        return True


class Rooms(NamedTuple):
    """What all runs together share."""

    cells: Room
    pictures: Room
    samples: Room


def rooms() -> Rooms:
    """All of the room."""
    return Rooms(Room(CELLS_OF_ALL), Room(PICTURES_OF_ALL), Room(SAMPLES_OF_ALL))


def points_of_a_curve(runs: int) -> int:
    """How many points a curve has at most, where so many runs are drawn in one chart."""
    return min(MOST_POINTS, max(FEWEST_POINTS, POINTS_OF_A_CHART // max(1, runs)))


def curves(run: Run, most: int) -> tuple[dict[str, dict[str, Any]], bool]:
    """By split and figure the `[steps, values]` of a run, and whether any curve was thinned.

    Raises:
        UserError: metrics.jsonl is damaged.
    """
    found: dict[str, dict[str, Any]] = {}
    thinned = False
    keep = () if run.best_step is None else (run.best_step,)
    for (split, name), series in read_curves(run.folder).items():
        short = thin(series, most, keep)
        thinned = thinned or len(short.steps) < len(series.steps)
        found.setdefault(split, {})[name] = _columns(short)
    return found, thinned


def confusion(run: Run, room: Room) -> dict[str, Any]:
    """The matrix, of very many classes those that are mistaken most; or in `note` why there is none.

    Raises:
        UserError: confusion.json is damaged.
    """
    found = read_confusion(run.folder)
    if found is None:
        return _without_matrix(run) if run.config.get("task.name") in NAMING_CLASSES else {}
    classes, matrix, note = found.classes, found.matrix, ""
    if len(classes) > MOST_CLASSES:
        wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
        kept = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
        note = f"The {MOST_CLASSES} most mistaken of {len(classes):,} classes; confusion.json has all."
        classes, matrix = [classes[place] for place in kept], matrix[np.ix_(kept, kept)]
    if not room.takes(matrix.size):
        return {"note": "Not in this page, which has the matrices of better runs; report the run alone."}
    right = f"{int(np.trace(found.matrix)):,} of {int(found.matrix.sum()):,} right"
    where = found.split if found.step is None else f"{found.split}, step {found.step:,}"
    told = " ".join(part for part in (f"{right} ({where}).", note) if part)
    return {"classes": classes, "matrix": matrix.tolist(), "told": told}


def _without_matrix(run: Run) -> dict[str, str]:
    """Why answers were not counted, or `evaluate`, where a command counts them."""
    if run.best_step is None:
        return {"note": "There is no best checkpoint yet of which they could be counted."}
    if not holds_checkpoints(run.folder):
        return {"note": "Not counted, and the run keeps no checkpoint of its own."}
    return {"note": "evaluate"}


def mistakes(run: Run, room: Room) -> dict[str, str]:
    """The picture as a data URI; or in `note` why there is none, though there could be.

    Raises:
        UserError: the picture is damaged.
    """
    content = read_picture(run.folder)
    if content is None:
        return {}
    if not room.takes(len(content)):
        return {"note": f"Not in this page, which would become too large: {Path(run.folder, 'mistakes.png')}"}
    return {"picture": "data:image/png;base64," + base64.b64encode(content).decode()}


def samples(run: Run, room: Room) -> dict[str, list[tuple[str, str]]]:
    """What a language model wrote, in `texts`: a heading and a text, the latest first.

    Raises:
        UserError: samples.txt is damaged.
    """
    found = read_texts(run.folder)
    shown = [pair for pair in found[:MOST_SAMPLES] if room.takes(len(pair[1]))]
    texts = [(f"step {step:,}", text) for step, text in shown]
    rest = len(found) - len(shown)
    return {"texts": [*texts, *([(f"and {rest} earlier, in samples.txt", "")] if rest else [])]}


def _columns(series: Series) -> tuple[list[int], list[float | None]]:
    """Numbers of six digits, which no chart shows more of."""
    values: Sequence[float] = series.values.tolist()
    short = [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]
    return series.steps.tolist(), short
