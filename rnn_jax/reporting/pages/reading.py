"""Reads the configs and summaries of runs, which may come from strangers: damaged files are reported."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder, sections_of
from rnn_jax.reporting.pages.folders import Found, read_object
from rnn_jax.runtime.errors import UserError

TEST_SPLITS = ("test", "last_tenth")
"""Splits that are evaluated once, and stored in the summary."""
NO_SUMMARY = "no summary yet"
MAX_STATUS, MAX_REASON = 40, 500  # characters

Benchmark = tuple[str, str]
"""A task and the name of its dataset, '' if unknown. Metrics of different benchmarks are not comparable."""


class Run(NamedTuple):
    """A run, finished or not."""

    name: str  # short and unique in the report
    folder: Path
    sweep: Path | None  # the folder of its sweep
    benchmark: Benchmark
    point: dict[str, Any]  # the values that the sweep varies, by dotted key
    config: dict[str, Any]  # by dotted key
    own: dict[str, Any]  # what `split_settings` leaves of point and config: not common to all runs
    status: str
    reason: str | None
    step: int | None
    best_step: int | None
    metrics: dict[str, dict[str, float]]  # by split: validation at the best step, TEST_SPLITS; finite ones
    summary: dict[str, Any]  # summary.json, updated with the run's row in results.jsonl
    objective: Objective | None  # None if neither the run nor its sweep has recorded one

    def metric(self, name: str, split: str = "validation") -> float | None:
        """The value of a metric, or None."""
        return self.metrics[split].get(name)

    def value(self, key: str) -> Any:
        """The value of a config key; None also if the run has none."""
        return self.config.get(key, self.point.get(key))


def read_run(found: Found, name: str, sweep: Path | None, objective: Objective | None) -> Run:
    """Read a run's config and summary; UserError if a file is damaged, of another version or a link.

    `objective` is the sweep's, for a run without a summary.
    """
    folder, row = RunFolder(found.folder), dict(found.row or {})
    config = {}
    if found.row is None or os.path.lexists(folder.config):
        config = _flatten(sections_of(read_object(folder.config), folder.config), folder.config)
    summary = {**(read_object(folder.summary) if os.path.lexists(folder.summary) else {}), **row}
    source = folder.summary if found.row is None else found.folder
    best = _mapping(summary, "best", source)
    metrics = {"validation": {key: value for key, value in best.items() if key != "step"}}
    metrics |= {split: _mapping(summary, split, source) for split in TEST_SPLITS}
    point, reason = _flatten(_mapping(row, "point", source), source), summary.get("reason")
    data = summary.get("dataset")
    dataset = data.get("name") if isinstance(data, dict) else None
    return Run(
        name=name,
        folder=found.folder,
        sweep=sweep,
        benchmark=(str(config.get("task.name") or ""), str(dataset or config.get("dataset.name") or "")),
        point=point,
        config=config,
        own={**point, **config},
        status=str(summary.get("status", NO_SUMMARY))[:MAX_STATUS],
        reason=None if reason is None else str(reason)[:MAX_REASON],
        step=to_step(summary.get("step")),
        best_step=to_step(best.get("step")),
        metrics={
            split: {key: float(value) for key, value in values.items() if is_number(value)}
            for split, values in metrics.items()
        },
        summary=summary,
        objective=read_objective(summary, source) or objective,
    )


def read_objective(content: Mapping[str, Any], file: Path) -> Objective | None:
    """The objective in a summary or sweep.json, None if it has none; UserError if it is malformed."""
    if content.get("objective") is None:
        return None
    try:
        return Objective.from_json(content["objective"])
    except ValueError as error:
        raise UserError(f"{file}: damaged, objective: {error}") from error


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number that can be computed with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def to_step(value: Any) -> int | None:
    """The value if it is a possible step, otherwise None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _mapping(content: Mapping[str, Any], key: str, file: Path) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict | None):
        raise UserError(f"{file}: damaged, {key} is not a JSON object")
    return value or {}


def _flatten(tree: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted key; lists and the like as JSON."""

    def leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in tree.items():
            if isinstance(value, dict) and value:
                yield from leaves(value, f"{prefix}{key}.")
            else:
                is_plain = value is None or isinstance(value, str | bool) or is_number(value)
                yield f"{prefix}{key}", value if is_plain else json.dumps(value)

    try:
        return dict(leaves(tree, ""))
    except RecursionError as error:
        raise UserError(f"{file}: damaged, nested too deeply") from error
