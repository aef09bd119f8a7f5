"""What is kept of a sweep's members: a row each, beside its run folder's summary, and all rows together."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import jax

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.reporting import records
from rnn_jax.runtime import devices
from rnn_jax.runtime.files import finite, read_json, write_json, write_text
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Member
from rnn_jax.training.build import Job, build
from rnn_jax.training.evaluate import evaluate
from rnn_jax.training.population import status
from rnn_jax.training.population.course import Trained
from rnn_jax.training.population.status import Fate
from rnn_jax.training.program import load
from rnn_jax.training.summary import constants, count_parameters

Row = dict[str, Any]

OWN = ("member", "point", "seed", "members", "hardware")
"""What a row has besides a summary."""


def shared(job: Job, devices: str, count: int, trained: Trained) -> Row:
    """What the rows of all members of a program have in common; times are the whole program's."""
    shapes = jax.eval_shape(job.network.init, jax.random.key(0), dict(job.hyper))
    units = sum(fate.step for fate in trained.fates) * job.units_per_step
    return {
        "members": count,
        "wall_seconds": round(trained.seconds, 1),
        "compile_seconds": None,
        f"{job.task.unit}_per_second": round(units / trained.seconds, 1),
        "hardware": records.hardware(),
        **constants(job, count_parameters(shapes), devices),
    }


def row(member: Member, fate: Fate, shared: Row) -> Row:
    """A member's row: what is said of it in results.jsonl."""
    best = None if fate.best_step is None else {"step": fate.best_step, **fate.best}
    reason = f"the loss or its gradient was not finite at update {fate.step + 1}"
    return finite(
        {
            "member": member.number,
            "point": member.point,
            "seed": member.seed,
            "status": fate.status,
            **({"reason": reason} if fate.status == status.DIVERGED else {}),
            "step": fate.step,
            "best": best,
            "test": None,
            **shared,
        }
    )


def write(row: Row, folder: SweepFolder) -> None:
    """Writes a member's summary.json, as a run of its own would have it, and then its row."""
    summary = {key: value for key, value in row.items() if key not in OWN}
    if row["status"] == status.STOPPED_EARLY:
        summary["status"] = "finished"
    elif row["status"] == status.GIVEN_UP:
        summary |= {"status": "interrupted", "reason": "given up by the sweep"}
    folder.member(row["member"]).write_summary(summary)
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
