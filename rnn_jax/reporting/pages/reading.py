"""What a run folder says, read as what a stranger may have written: a file that is damaged is named."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.charts import Series
from rnn_jax.reporting.pages.files import look, read_object
from rnn_jax.reporting.pages.folders import Found
from rnn_jax.reporting.samples import read_samples
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json_lines

Figures = dict[str, float]
Curves = dict[tuple[str, str], Series]
"""By split and figure."""

TESTED = ("test", "last_tenth")
"""The splits that are looked at once, in a summary."""
NO_SUMMARY = "no summary yet"
LONGEST_STATUS, LONGEST_REASON = 40, 500  # characters
MOST_OF_A_SAMPLE = 20_000  # characters
PNG = b"\x89PNG\r\n\x1a\n"


class Run(NamedTuple):
    """A run, as far as it has come."""

    name: str
    """Short, and no other run's in the report."""
    folder: Path
    sweep: Path | None
    """The folder of the sweep that it is of."""
    point: dict[str, Any]
    """What the sweep varies, by dotted key; {} outside a sweep."""
    config: dict[str, Any]
    """By dotted key."""
    status: str
    reason: str | None
    step: int | None
    """Updates made."""
    best_step: int | None
    figures: dict[str, Figures]
    """By split: 'validation' at the best step, and of TESTED what was looked at; finite ones alone."""
    summary: dict[str, Any]
    """summary.json, and what results.jsonl has besides."""
    objective: Objective | None
    """What the run is compared by; None where neither it nor its sweep has recorded that."""


class Confusion(NamedTuple):
    """What `--mode eval` counted."""

    classes: list[str]
    matrix: np.ndarray
    """[labels, answers], counts."""
    split: str
    step: int | None


def read_run(found: Found, name: str, sweep: Path | None, objective: Objective | None) -> Run:
    """Reads a run's config and summary; `objective` is its sweep's, for runs without a summary yet.

    Raises:
        UserError: a file is damaged, or a link.
    """
    folder, row = RunFolder(found.folder), dict(found.row or {})
    config = read_object(folder.config) if found.row is None or os.path.lexists(folder.config) else {}
    summary = {**(read_object(folder.summary) if os.path.lexists(folder.summary) else {}), **row}
    where = folder.summary if found.row is None else found.folder
    best = _mapping(summary, "best", where)
    figures = {"validation": {key: value for key, value in _figures(best).items() if key != "step"}}
    figures |= {split: _figures(_mapping(summary, split, where)) for split in TESTED}
    reason = summary.get("reason")
    return Run(
        name=name,
        folder=found.folder,
        sweep=sweep,
        point=_flat(_mapping(row, "point", where), where),
        config=_flat(config, folder.config),
        status=str(summary.get("status", NO_SUMMARY))[:LONGEST_STATUS],
        reason=None if reason is None else str(reason)[:LONGEST_REASON],
        step=_whole(summary.get("step")),
        best_step=_whole(best.get("step")),
        figures=figures,
        summary=summary,
        objective=read_objective(summary, where) or objective,
    )


def read_objective(content: Mapping[str, Any], file: Path) -> Objective | None:
    """The objective that a summary, or sweep.json, has recorded; None where it has none.

    Raises:
        UserError: it is malformed.
    """
    if content.get("objective") is None:
        return None
    try:
        return Objective.from_json(content["objective"])
    except ValueError as error:
        raise UserError(f"{file}: damaged, objective {error}") from error


def holds_checkpoints(folder: Path) -> bool:
    """Whether there is a checkpoint in a run folder, of whatever worth."""
    checkpoints = RunFolder(folder).checkpoints
    return checkpoints.is_dir() and any(checkpoints.iterdir())


def read_curves(folder: Path) -> Curves:
    """The figures of metrics.jsonl over the steps; NaN where one was not finite.

    Raises:
        UserError: the file is damaged, or a link.
    """
    file = RunFolder(folder).metrics
    look(file)
    points: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
    for number, row in enumerate(read_json_lines(file), 1):
        step, split = row.pop("step", None), row.pop("split", None)
        if _whole(step) is None or not isinstance(split, str):
            raise UserError(f"{file}: damaged, line {number} has no step, or no split")
        for name, value in row.items():
            if not (value is None or is_number(value)):
                raise UserError(f"{file}: damaged, line {number}: {name} is no number")
            steps, values = points.setdefault((split, name), ([], []))
            steps.append(step)
            values.append(math.nan if value is None else float(value))
    return {key: _series(*columns) for key, columns in points.items()}


def read_confusion(folder: Path) -> Confusion | None:
    """What `--mode eval` counted; None where it was not called.

    Raises:
        UserError: the file is damaged, or a link.
    """
    file = RunFolder(folder).confusion_counts
    if not os.path.lexists(file):
        return None
    content = read_object(file)
    classes, matrix = content.get("classes"), content.get("matrix")
    try:
        counts = np.array(matrix, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        counts = np.zeros(0)
    if not isinstance(classes, list) or counts.shape != (len(classes), len(classes)) or (counts < 0).any():
        raise UserError(f"{file}: damaged, not a matrix of counts with a name for each class")
    return Confusion(
        [str(name) for name in classes], counts, str(content.get("split")), _whole(content.get("step"))
    )


def read_picture(folder: Path) -> bytes | None:
    """The picture of the mistakes, a PNG; None where there is none.

    Raises:
        UserError: the file is no PNG, or a link.
    """
    file = RunFolder(folder).mistakes
    if not os.path.lexists(file):
        return None
    look(file)
    content = file.read_bytes()
    if not content.startswith(PNG):
        raise UserError(f"{file}: damaged, no PNG")
    return content


def read_texts(folder: Path) -> list[tuple[int, str]]:
    """What a language model wrote, with the steps, the latest first; [] where it is none.

    Raises:
        UserError: the file cannot be read, or is a link.
    """
    file = RunFolder(folder).samples
    if not os.path.lexists(file):
        return []
    look(file)
    found = sorted(read_samples(file).items(), reverse=True)
    return [(step, text[:MOST_OF_A_SAMPLE]) for step, text in found]


def _mapping(summary: Mapping[str, Any], key: str, file: Path) -> dict[str, Any]:
    value = summary.get(key)
    if not isinstance(value, dict | None):
        raise UserError(f"{file}: damaged, {key} is no JSON object")
    return value or {}


def _figures(found: Mapping[str, Any]) -> Figures:
    return {name: float(value) for name, value in found.items() if is_number(value)}


def is_number(value: Any) -> bool:
    """Whether it is a finite number of a size that can be reckoned with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _whole(value: Any) -> int | None:
    """A step: what is none, or none that could be, is None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _series(steps: list[int], values: list[float]) -> Series:
    order = np.argsort(steps, kind="stable")
    return Series(np.array(steps, dtype=np.int64)[order], np.array(values)[order])


def _flat(tree: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted key; what is no number, text or None, as JSON."""

    def leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in tree.items():
            if isinstance(value, dict) and value:
                yield from leaves(value, f"{prefix}{key}.")
            else:
                plain = value is None or isinstance(value, str | bool) or is_number(value)
                yield f"{prefix}{key}", value if plain else json.dumps(value)

    try:
        return dict(leaves(tree, ""))
    except RecursionError as error:
        raise UserError(f"{file}: damaged, one thing in another too many times") from error
