"""Curves, confusion matrix, mistakes and samples of each run, bounded for the page; best runs first.

All functions raise UserError for a file that is damaged, or a link.
"""

import base64
import contextlib
import math
import os
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.catalogue import TASKS
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.charts import Series
from rnn_jax.reporting.log import read_samples
from rnn_jax.reporting.pages.reading import Run, check_file, is_number, read_object, read_rows, to_step
from rnn_jax.runtime.errors import UserError

MAX_CURVES = 200  # runs with curves
MAX_POINTS = 60_000  # of all curves in a chart
MIN_CURVE_POINTS, MAX_CURVE_POINTS = 100, 2_000
MAX_CLASSES = 60  # of a confusion matrix
MAX_SAMPLES, MAX_SAMPLE = 10, 20_000  # of a run; characters of each
PNG = b"\x89PNG\r\n\x1a\n"
LEFT_OUT = "Left out to limit the size of this page"

BUDGET = {"cells": 200_000, "image_bytes": 3_000_000, "characters": 1_000_000}
"""The space in the page for the confusion matrices, images and samples of all runs."""

Budget = dict[str, int]
"""The space left."""
Curves = dict[str, dict[str, Any]]
"""The `[steps, values]` of a run by split and metric."""


def _take(budget: Budget, kind: str, size: int) -> bool:
    """Take space from the budget, or return False if there is not enough left."""
    if size > budget[kind]:
        return False
    budget[kind] -= size
    return True


def curve_points(runs: int) -> int:
    """The maximum number of points per curve for a chart with curves of `runs` runs."""
    return min(MAX_CURVE_POINTS, max(MIN_CURVE_POINTS, MAX_POINTS // runs))


def curves(run: Run, limit: int) -> tuple[Curves, bool]:
    """The curves of a run, and whether any was thinned to `limit` points."""
    found: Curves = {}
    is_thinned = False
    keep = () if run.best_step is None else (run.best_step,)
    for (split, name), series in read_curves(run.folder).items():
        steps, values = (array.tolist() for array in thin(series, limit, keep))
        is_thinned = is_thinned or len(steps) < len(series.steps)
        # Six digits are more than a chart shows.
        rounded = [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]
        found.setdefault(split, {})[name] = steps, rounded
    return found, is_thinned


def read_curves(folder: Path) -> dict[tuple[str, str], Series]:
    """The metrics of metrics.jsonl over the steps, by (split, metric); NaN where one was not finite."""
    file, found = RunFolder(folder).metrics, dict[tuple[str, str], Series]()
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for number, row in enumerate(read_rows(file), 1):
        step, split = to_step(row.pop("step", None)), row.pop("split", None)
        if step is None or not isinstance(split, str):
            raise UserError(f"{file}: damaged, line {number} has no step or no split")
        for name, value in row.items():
            if isinstance(value, dict):  # the recall of each class
                continue
            if not (value is None or is_number(value)):
                raise UserError(f"{file}: damaged, line {number}: {name} is not a number")
            points.setdefault((split, name), []).append((step, math.nan if value is None else float(value)))
    for key, pairs in points.items():
        steps, values = zip(*sorted(pairs, key=lambda pair: pair[0]), strict=True)
        found[key] = Series(np.array(steps, dtype=np.int64), np.array(values))
    return found


def thin(series: Series, limit: int, keep: Collection[int] = ()) -> Series:
    """A curve with about `limit` points at most; a shorter one is returned as it is.

    The curve is divided into chunks. Each keeps its smallest and largest point, and a gap (NaN) if it has
    one; the first and last point of the curve and the steps in `keep` stay too.
    """
    steps, values = series
    count = len(steps)
    if count <= limit:
        return series
    chunks = max(1, (limit - 2) // 2)
    width = -(-count // chunks)
    table = np.pad(values, (0, chunks * width - count), constant_values=np.nan).reshape(chunks, width)
    gaps, starts = np.isnan(table), np.arange(chunks) * width
    lowest = starts + np.where(gaps, np.inf, table).argmin(axis=1)
    highest = starts + np.where(gaps, -np.inf, table).argmax(axis=1)
    first_gaps = (starts + gaps.argmax(axis=1))[gaps.any(axis=1)]
    given = np.flatnonzero(np.isin(steps, list(keep)))
    kept = np.concatenate([lowest, highest, first_gaps, [0, count - 1], given])
    places = np.unique(kept[kept < count])
    return Series(steps[places], values[places])


def confusion(run: Run, budget: Budget) -> dict[str, Any]:
    """The confusion matrix (of many classes, the most confused ones), or a note why there is none."""
    file = RunFolder(run.folder).confusion_counts
    if not os.path.lexists(file):
        task = TASKS.get(str(run.config.get("task.name")))
        return _missing_confusion(run) if task is not None and task.names_classes else {}
    content, matrix = read_object(file), np.zeros(0)
    classes, step = content.get("classes"), to_step(content.get("step"))
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        matrix = np.array(content.get("matrix"), dtype=np.int64)
    if not isinstance(classes, list) or matrix.shape != (len(classes), len(classes)) or (matrix < 0).any():
        raise UserError(f"{file}: damaged, not a matrix of counts with one name per class")
    split = f"{content.get('split')}" + ("" if step is None else f", step {step:,}")
    caption = f"{int(np.trace(matrix)):,} of {int(matrix.sum()):,} correct ({split})."
    if len(classes) > MAX_CLASSES:
        errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
        kept = np.sort(np.argsort(-errors, kind="stable")[:MAX_CLASSES])
        caption += f" The {MAX_CLASSES} classes with most errors of {len(classes):,}; confusion.json has all."
        classes, matrix = [classes[place] for place in kept], matrix[np.ix_(kept, kept)]
    if not _take(budget, "cells", matrix.size):
        return {"note": f"{LEFT_OUT}; report the run alone to see it."}
    return {"classes": [str(name) for name in classes], "matrix": matrix.tolist(), "caption": caption}


def _missing_confusion(run: Run) -> dict[str, str]:
    """Why there is no confusion matrix, or the command that writes one."""
    checkpoints = RunFolder(run.folder).checkpoints
    if run.best_step is None:
        return {"note": "There is no best checkpoint to evaluate yet."}
    if not (checkpoints.is_dir() and any(checkpoints.iterdir())):
        return {"note": "Not evaluated, and the run has no checkpoint."}
    command = ["python", "-m", "rnn_jax.main", "--workdir", str(run.folder), "--mode", "eval"]
    return {"note": "Not evaluated yet; this command does it:", "command": shlex.join(command)}


def mistakes(run: Run, budget: Budget) -> dict[str, str]:
    """The image of the most confident mistakes as a data URI, or a note why it is left out."""
    file = RunFolder(run.folder).mistakes
    if not os.path.lexists(file):
        return {}
    check_file(file)
    content = file.read_bytes()
    if not content.startswith(PNG):
        raise UserError(f"{file}: damaged, not a PNG")
    if not _take(budget, "image_bytes", len(content)):
        return {"note": f"{LEFT_OUT}: {file}"}
    return {"image": "data:image/png;base64," + base64.b64encode(content).decode()}


def samples(run: Run, budget: Budget) -> dict[str, list[tuple[str, str]]]:
    """Samples of a language model in `texts`: pairs of a heading and a text, the latest first."""
    file = RunFolder(run.folder).samples
    check_file(file)
    found = sorted(read_samples(file).items(), reverse=True)
    texts = [(f"step {step:,}", text[:MAX_SAMPLE]) for step, text in found[:MAX_SAMPLES]]
    texts = [pair for pair in texts if _take(budget, "characters", len(pair[1]))]
    rest = len(found) - len(texts)
    return {"texts": texts + [(f"and {rest} earlier, in samples.txt", "")] * (rest > 0)}
