"""Finds run folders and reads their files, which may come from strangers: no links, pipes or giants."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.config.messages import format_value
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, read_json_lines, reject_link

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
        raise UserError(
            f"{folder}: neither a run folder (no config.json) nor a sweep folder (no {SWEEP}){hint}"
        )


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
        raise UserError(
            f"{sweep / RESULTS}: damaged, folder {format_value(name)} is outside of the sweep folder"
        )
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
