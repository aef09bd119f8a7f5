"""Which run folders there are in the folders that a report is asked for."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.config.messages import shown
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.pages.files import read_rows
from rnn_jax.runtime.errors import UserError

Row = Mapping[str, Any]

SWEEP = "sweep.json"
RESULTS = "results.jsonl"
PARENTS = ("members", "trials")
"""The folders of a sweep in which its run folders are."""
FATES_OF_TRIALS = ("pruned", "failed")
"""What becomes of a trial as a whole, whatever its seeds say of themselves."""


class Found(NamedTuple):
    """A run folder, and what the sweep that it is of says of it in results.jsonl, if that has come to it."""

    folder: Path
    row: Row | None


def is_run(folder: Path) -> bool:
    """Whether it is a run folder."""
    return os.path.lexists(RunFolder(folder).config)


def is_sweep(folder: Path) -> bool:
    """Whether it is a sweep's folder."""
    return os.path.isfile(folder / SWEEP)


def check(folder: Path) -> None:
    """Raises UserError where a folder cannot be reported."""
    if not os.path.exists(folder):
        raise UserError(f"{folder}: there is no such folder")
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: is no folder; a report takes run folders and sweep folders")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{folder}: cannot be read (Permission denied)")
    if not is_run(folder) and not is_sweep(folder):
        parent = any(is_run(inside) or is_sweep(inside) for inside in folder.iterdir())
        advice = f"what is in it can be, {folder / '*'}" if parent else "--workdir of rnn_jax.main makes one"
        raise UserError(
            f"{folder}: neither a run folder (no config.json in it) nor a sweep's (no {SWEEP}); {advice}"
        )


def run_folders(sweep: Path, *, within_trial: bool = False) -> list[Found]:
    """The run folders of a sweep, in the order of results.jsonl; then those that it has nothing of yet.

    A row names its folder, `"folder": "trials/<hash>"`, or has a number, `members/<member>`. A trial of
    several seeds is a sweep's folder itself, and its members are the runs (`within_trial`).

    Raises:
        UserError: results.jsonl is damaged.
    """
    known: dict[Path, Row | None] = {}
    for row in read_rows(sweep / RESULTS):
        known[_place(sweep, row)] = row
    for parent in (sweep / name for name in PARENTS):
        if os.path.isdir(parent) and not parent.is_symlink():
            for folder in sorted(parent.iterdir(), key=_natural):
                if not folder.is_symlink() and (is_run(folder) or is_sweep(folder)):
                    known.setdefault(folder, None)
    found = []
    for folder, row in known.items():
        seeds = run_folders(folder, within_trial=True) if is_sweep(folder) and not within_trial else []
        found += [Found(seed.folder, _of_seed(row, seed.row, len(seeds))) for seed in seeds]
        if not seeds:
            found.append(Found(folder, row))
    return found


def _place(sweep: Path, row: Row) -> Path:
    """The folder of a row: always within the sweep's."""
    name = str(row.get("folder", f"members/{row.get('member')}"))
    inside = "\0" not in name and ".." not in Path(name).parts
    real = os.path.realpath(sweep / name) if inside else ""
    if not Path(real).is_relative_to(os.path.realpath(sweep)):
        raise UserError(f"{sweep / RESULTS}: damaged, the folder {shown(name)} is not within the sweep's")
    return sweep / name


def _of_seed(trial: Row | None, seed: Row | None, seeds: int) -> Row | None:
    """What is said of one seed of a trial, whose seeds were trained at once."""
    if seed is not None:
        seed = {"members": seeds, **seed}
    if trial is None:
        return seed
    told = {key: trial[key] for key in ("status", "reason", "point") if key in trial}
    if seed is None:
        return told
    ends = trial.get("status") in FATES_OF_TRIALS
    return {**seed, **(told if ends else {"point": trial.get("point", seed.get("point"))})}


def _natural(folder: Path) -> tuple[int, str]:
    """Numbers by their size, and names after them."""
    return (
        (int(folder.name), "") if folder.name.isdecimal() and len(folder.name) < 10 else (10**10, folder.name)
    )
