"""What is kept of a sweep's members: a row each, beside its run folder's summary, and all rows together."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import jax

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.reporting.provenance import hardware
from rnn_jax.runtime import devices
from rnn_jax.runtime.files import finite, read_json, write_json, write_text
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Member
from rnn_jax.training.build import build
from rnn_jax.training.evaluate import evaluate
from rnn_jax.training.program import load
from rnn_jax.training.progress import MemberStatus

Row = dict[str, Any]


def row(member: Member, status: MemberStatus, summary: Row, members: int) -> Row:
    """Return a member's row of results.jsonl: its summary, which model it is, and how it ended."""
    own = {"member": member.number, "point": member.point, "seed": member.seed, "members": members}
    return {**own, **summary, "status": status.status, "hardware": hardware()}


def write(row: Row, folder: SweepFolder) -> None:
    """Write a member's row: it has come to its end."""
    write_json(folder.row(row["member"]), finite(row))


def of_group(group: Sequence[Member], folder: SweepFolder) -> list[Row] | None:
    """The rows of a program's members, where it was trained to its end before."""
    files = [folder.row(member.number) for member in group]
    if not all(file.exists() for file in files):
        return None
    # The members' own points: JSON's have their keys in another order.
    return [{**read_json(file), "point": member.point} for file, member in zip(files, group, strict=True)]


def tested(
    config: Config, folder: RunFolder, between: Callable[[], None]
) -> dict[str, dict[str, float | None]]:
    """The figures of a run's best checkpoint on test, and on what is looked at with it.

    `between` is called before every batch, and may raise.
    """
    sections, _ = split_hyper(config)
    job = build(config)
    runtime = devices.alone(sections["runtime"])
    where = devices.build(devices.paying_cores(*job.batch_shape), **runtime)
    with jax.default_matmul_precision(where.matmul_precision):
        program = load(job, where)
        state, _, _ = program.restore(folder.checkpoints, "best")
        return {
            split: finite(evaluate(program, state.evaluated, split, between)) for split in job.data.tested
        }


def write_all(rows: Sequence[Row], folder: SweepFolder) -> None:
    """Writes results.jsonl."""
    write_text(folder.results, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
