"""What a study has come to: results.jsonl, the winner's test, the report."""

from collections.abc import Sequence
from typing import Any

from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting import ranking, sweep_report
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.lock import taking_turns
from rnn_jax.runtime.signals import Stop
from rnn_jax.sweeping import members, results
from rnn_jax.sweeping.command import Command, winners_command
from rnn_jax.sweeping.results import Row
from rnn_jax.sweeping.study.standing import Ended
from rnn_jax.sweeping.trial import FOLDER, RESULTS, Setting
from rnn_jax.training.progress import DIVERGED

LOCK = ".closing"


def close(
    ended: Sequence[Ended], command: Command, setting: Setting, stop: Stop, console: Console
) -> tuple[list[Row], Objective]:
    """Writes what a study has come to into the sweep's folder, after the winner's test.

    Every worker does, one after another: the later ones find the test done.

    Returns:
        The rows of results.jsonl, one for each seed of each trial; the metric that decides.

    Raises:
        Interrupted: a signal asked to stop.
        UserError: the folder cannot be written.
    """
    folder, objective = setting.folder, setting.objective
    with taking_turns(folder.path / LOCK, stop.check):
        rows = _with_tests_of_before(_rows(ended, command, setting), setting)
        winner = ranking.rank_points(rows, objective)[0]
        if command.base.sections["train"]["report_test"] and winner.has_result:
            _test([row for row in rows if row["point"] == winner.point], setting, stop, console)
        results.write_all(rows, folder)
        sweep_report.write(folder.path, rows, objective, winners_command(command, winner.point))
    return rows, objective


def _rows(ended: Sequence[Ended], command: Command, setting: Setting) -> list[Row]:
    rows = list[Row]()
    for trial in ended:
        nothing = {"step": 0, "best": None, "test": None}
        folder = trial.notes.get(FOLDER)
        for seed, result in enumerate(trial.notes.get(RESULTS) or [nothing] * command.sweep.seeds):
            place = folder if setting.is_run else f"{folder}/members/{seed}"
            rows.append(
                {
                    **nothing,
                    **result,
                    "member": len(rows),
                    "trial": trial.number,
                    "point": trial.point,
                    "seed": command.base.sections["train"]["seed"] + seed,
                    FOLDER: place,
                    **_fate(trial, result),
                }
            )
    return rows


def _fate(trial: Ended, result: dict[str, Any]) -> dict[str, Any]:
    """How a run of a trial ended, and why if it has no result."""
    if trial.status == "failed" and result.get("status") != DIVERGED:
        return {"status": "failed", "reason": trial.reason}
    if trial.status == "pruned":
        return {"status": "pruned", "reason": "given up by the study, since it fell behind"}
    return {}


def _with_tests_of_before(rows: list[Row], setting: Setting) -> list[Row]:
    """The rows, with the figures of test that results.jsonl has."""
    earlier = {row.get(FOLDER): row for row in read_lines(setting.folder.results)}
    for row in rows:
        before = earlier.get(row[FOLDER])
        if before is not None and before.get("test") is not None and before["best"] == row["best"]:
            row["test"] = before["test"]
    return rows


def _test(rows: Sequence[Row], setting: Setting, stop: Stop, console: Console) -> None:
    """Looks at test with the best checkpoints of a point."""
    seeds = members.build(setting.base, setting.sweep, "the winner", at=[rows[0]["point"]])
    for row in rows:
        if row["test"] is not None or row["best"] is None:
            continue
        config = next(member.config for member in seeds if member.seed == row["seed"])
        run = RunFolder(setting.folder.path / row[FOLDER])
        try:
            row.update(results.tested(config, run, stop.check))
        except CheckpointError as error:
            console.warn(f"the winner's test is left out: {error}")
