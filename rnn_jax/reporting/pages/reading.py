"""Finds and reads run folders, which may come from strangers: rejects damage, links, pipes and giants."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from rnn_jax.config.messages import format_value
from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder, sections_of
from rnn_jax.reporting.ranking import Benchmark, benchmark_of, merge_seeds
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, read_json_lines, reject_link

TEST_SPLITS = ("test", "last_tenth")
"""Splits that are evaluated once, and stored in the summary."""
NO_SUMMARY = "no summary yet"
MAX_STATUS, MAX_REASON = 40, 500  # characters

Row = Mapping[str, Any]

SWEEP = "sweep.json"
RESULTS = "results.jsonl"
PARENTS = ("members", "trials")
"""The folders of a sweep that contain its run folders."""
TRIAL_STATUSES = ("pruned", "failed")
"""Statuses of a trial as a whole, which replace those of its seeds."""
MAX_BYTES = 256 * 2**20  # of a file of lines
MAX_OBJECT_BYTES = 8 * 2**20


class Found(NamedTuple):
    """A run folder, and its row in the results.jsonl of its sweep, if it has one yet."""

    folder: Path
    row: Row | None


def check_file(file: Path, limit: int = MAX_BYTES) -> None:
    """Raise UserError for a link, anything but a regular file, and a file of more than `limit` bytes."""
    reject_link(file)
    if os.path.lexists(file) and not os.path.isfile(file):
        raise UserError(f"{file}: not a regular file")
    if os.path.exists(file) and (size := file.stat().st_size) > limit:
        raise UserError(f"{file}: {size / 2**20:,.0f} MiB, must be at most {limit // 2**20} MiB")


def read_object(file: Path) -> dict[str, Any]:
    """Read a file with a JSON object; UserError if it is missing, rejected or damaged."""
    check_file(file, MAX_OBJECT_BYTES)
    return read_json(file)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Read a file of JSON objects, one per line, [] if it is missing; UserError if rejected or damaged."""
    check_file(file)
    return read_json_lines(file)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run folder."""
    return os.path.lexists(RunFolder(folder).config)


def is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep folder."""
    return os.path.isfile(folder / SWEEP)


def check_folder(folder: Path) -> None:
    """Raise UserError if a folder cannot be reported."""
    if not os.path.exists(folder):
        raise UserError(f"{folder}: no such folder")
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: not a folder; give run folders and sweep folders")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{folder}: cannot be read (Permission denied)")
    if not is_run(folder) and not is_sweep(folder):
        has_runs = any(is_run(inside) or is_sweep(inside) for inside in folder.iterdir())
        hint = f"; it contains some: {folder / '*'}" if has_runs else ""
        what = f"neither a run folder (no config.json) nor a sweep folder (no {SWEEP})"
        raise UserError(f"{folder}: {what}{hint}")


def find_runs(sweep: Path, *, within_trial: bool = False) -> list[Found]:
    """The run folders of a sweep in the order of results.jsonl, then those without a row.

    A row gives its folder, `"folder": "trials/<hash>"`, or else a number, for `members/<member>`. A trial
    with several seeds is itself a sweep folder, whose members are the runs (`within_trial`). UserError if
    results.jsonl is damaged.
    """
    rows: dict[Path, Row | None] = {_folder_of(sweep, row): row for row in read_rows(sweep / RESULTS)}
    for parent in (sweep / name for name in PARENTS):
        if os.path.isdir(parent) and not parent.is_symlink():
            for folder in sorted(parent.iterdir(), key=_natural_order):
                if not folder.is_symlink() and (is_run(folder) or is_sweep(folder)):
                    rows.setdefault(folder, None)
    found = []
    for folder, row in rows.items():
        seeds = find_runs(folder, within_trial=True) if is_sweep(folder) and not within_trial else []
        found += [Found(seed.folder, _merge(row, seed.row, len(seeds))) for seed in seeds]
        if not seeds:
            found.append(Found(folder, row))
    return found


def _folder_of(sweep: Path, row: Row) -> Path:
    """The folder of a row, always within the sweep's."""
    name = str(row.get("folder", f"members/{row.get('member')}"))
    is_plain = "\0" not in name and ".." not in Path(name).parts
    real = os.path.realpath(sweep / name) if is_plain else ""
    if not Path(real).is_relative_to(os.path.realpath(sweep)):
        found = f"folder {format_value(name)} is outside of the sweep folder"
        raise UserError(f"{sweep / RESULTS}: damaged, {found}")
    return sweep / name


def _merge(trial: Row | None, seed: Row | None, seeds: int) -> Row | None:
    """The row of one seed of a trial, completed by the trial's; the seeds were trained as one population."""
    if seed is not None:
        seed = {"members": seeds, **seed}
    if trial is None:
        return seed
    is_replaced = seed is None or trial.get("status") in TRIAL_STATUSES
    shared = ("status", "reason", "point") if is_replaced else ("point",)
    return {**(seed or {}), **{key: trial[key] for key in shared if key in trial}}


def _natural_order(folder: Path) -> tuple[int, str]:
    """Numbers by value, then names."""
    is_number = folder.name.isdecimal() and len(folder.name) < 10
    return (int(folder.name), "") if is_number else (10**10, folder.name)


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
    place: int  # in the order in which runs are given and found

    @property
    def seed(self) -> int | None:
        """The seed; None if neither the config nor the row of a sweep has it."""
        seed = self.value("train.seed")
        return to_step(self.summary.get("seed") if seed is None else seed)

    @property
    def best(self) -> dict[str, float]:
        """The validation metrics at the best step, with `step`; {} if there are none."""
        found = self.metrics["validation"]
        return {"step": self.best_step or 0, **found} if found else {}

    @property
    def tested(self) -> dict[str, float]:
        """The test metrics by split and name."""
        return {f"{split} {key}": v for split in TEST_SPLITS for key, v in self.metrics[split].items()}

    @property
    def outcome(self) -> str:
        """The status, and the reason if there is one."""
        return self.status if self.reason is None else f"{self.status}: {self.reason}"

    def metric(self, name: str, split: str = "validation") -> float | None:
        """The value of a metric, or None."""
        return self.metrics[split].get(name)

    def value(self, key: str) -> Any:
        """The value of a config key; None also if the run has none."""
        return self.config.get(key, self.point.get(key))


def read_run(found: Found, name: str, sweep: Path | None, objective: Objective | None, place: int = 0) -> Run:
    """Read a run's config and summary; UserError if a file is damaged, of another version or a link.

    `objective` is the sweep's, for a run without a summary; `place` is the number of runs before this one.
    """
    folder, row = RunFolder(found.folder), dict(found.row or {})
    config = {}
    if found.row is None or os.path.lexists(folder.config):
        config = _flatten(sections_of(read_object(folder.config), folder.config), folder.config)
    summary = {**(read_object(folder.summary) if os.path.lexists(folder.summary) else {}), **row}
    source = folder.summary if found.row is None else found.folder
    best = _mapping(summary, "best", source)
    splits = {"validation": best, **{split: _mapping(summary, split, source) for split in TEST_SPLITS}}
    point, reason = _flatten(_mapping(row, "point", source), source), summary.get("reason")
    settings = {**point, **config}
    return Run(
        name=name,
        folder=found.folder,
        sweep=sweep,
        benchmark=_benchmark(summary, folder, settings),
        point=point,
        config=config,
        own=settings,
        status=str(summary.get("status", NO_SUMMARY))[:MAX_STATUS],
        reason=None if reason is None else str(reason)[:MAX_REASON],
        step=to_step(summary.get("step")),
        best_step=to_step(best.get("step")),
        metrics={
            split: {key: float(value) for key, value in values.items() if key != "step" and is_number(value)}
            for split, values in splits.items()
        },
        summary=summary,
        objective=read_objective(summary, source) or objective,
        place=place,
    )


def _benchmark(summary: Row, folder: RunFolder, settings: Row) -> Benchmark:
    """A run's task and data, by dataset.json if the summary does not have the data yet."""
    dataset = summary.get("dataset")
    if not isinstance(dataset, dict):
        dataset = read_object(folder.dataset) if os.path.lexists(folder.dataset) else {}
    return benchmark_of(dataset, settings)


def read_objective(content: Mapping[str, Any], file: Path) -> Objective | None:
    """The objective in a summary or sweep.json, None if it has none; UserError if it is malformed."""
    if content.get("objective") is None:
        return None
    try:
        return Objective.from_json(content["objective"])
    except ValueError as error:
        raise UserError(f"{file}: damaged, objective: {error}") from error


def values_of(runs: Sequence[Run], name: str, split: str = "validation") -> list[float]:
    """The values of a metric, of the runs of a group that count and have it: see `merge_seeds`."""
    return [value for run in merge_seeds(runs).counted if (value := run.metric(name, split)) is not None]


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
