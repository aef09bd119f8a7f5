"""The results of a sweep: a row per member, the winner's test metrics, and the report."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax

from rnn_jax.checkpoints.store import find
from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config
from rnn_jax.reporting import sweep_report
from rnn_jax.runtime import devices
from rnn_jax.runtime.files import finite, read_json, write_text
from rnn_jax.sweeping.command import Command, command_of_point
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Member
from rnn_jax.training.build import build
from rnn_jax.training.program import load

Row = dict[str, Any]  # a line of results.jsonl


def read_rows(group: Sequence[Member], folder: SweepFolder) -> list[Row] | None:
    """Return the rows of a program's members if all have finished, else None."""
    files = [folder.row(member.number) for member in group]
    if not all(file.exists() for file in files):
        return None
    # The members' own points keep the order of keys.
    return [{**read_json(file), "point": member.point} for file, member in zip(files, group, strict=True)]


def rows_to_test(rows: Sequence[Row], objective: Objective, command: Command) -> list[Row]:
    """Return the rows of the best point, on each data set, that still lack their test metrics."""
    if not command.base.sections["train"]["report_test"]:
        return []
    best = sweep_report.winners(sweep_report.rank_points(rows, objective))
    counted = {id(row) for found in best if found.has_result for row in found.rows}
    return [row for row in rows if id(row) in counted and row["test"] is None and row["best"] is not None]


def evaluate_test(config: Config, folder: RunFolder, between: Callable[[], None]) -> Row:
    """Return the metrics of a run's best checkpoint on test, and on the splits reported with it.

    `between` is called before every batch, and may raise.
    """
    job = build(config)
    runtime = devices.single_process(config.runtime.model_dump())
    where = devices.build_devices(devices.worthwhile_cores(*job.batch_shape), **runtime)
    with jax.default_matmul_precision(where.matmul_precision):
        program = load(job, where)
        state, _ = program.restore(find(folder.checkpoints, "best"))
        return {split: finite(program.evaluate(state.evaluated, split, between)) for split in job.data.tested}


def write_report(rows: Sequence[Row], objective: Objective, command: Command) -> None:
    """Write results.jsonl and report.md."""
    folder = SweepFolder(command.workdir)
    write_text(folder.results, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
    sweep_report.write(folder.path, rows, objective, partial(command_of_point, command))
