"""The results of a finished study: results.jsonl, the winner's test metrics, the report."""

from collections.abc import Sequence
from typing import Any

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.lock import waiting_lock
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.sweeping import results
from rnn_jax.sweeping.command import Command
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import build_members
from rnn_jax.sweeping.results import Row
from rnn_jax.sweeping.study.trials import FinishedTrial
from rnn_jax.sweeping.trial import FOLDER, RESULTS, TrialSettings
from rnn_jax.training.progress import DIVERGED

LOCK = ".closing"


def write(
    trials: Sequence[FinishedTrial],
    command: Command,
    settings: TrialSettings,
    stop: StopSignal,
    console: Console,
) -> list[Row]:
    """Evaluate the winner on test, and write the results; return a row per seed of each trial.

    Every worker does this, one after another: the later ones find the test metrics.

    Raises:
        Interrupted: stopped by a signal.
        UserError: the folder cannot be written.
    """
    folder, objective = settings.folder, settings.objective
    with waiting_lock(folder.path / LOCK, stop.check):
        rows = _rows(trials, command, settings)
        _copy_earlier_tests(rows, folder)
        for row in results.rows_to_test(rows, objective, command):
            seeds = build_members(settings.base, settings.sweep, "the winner", at=[row["point"]])
            config = next(member.config for member in seeds if member.seed == row["seed"])
            try:
                row.update(results.evaluate_test(config, RunFolder(folder.path / row[FOLDER]), stop.check))
            except CheckpointError as error:
                console.warn(f"the winner is not evaluated on test: {error}")
        results.write_report(rows, objective, command)
    return rows


def _rows(trials: Sequence[FinishedTrial], command: Command, settings: TrialSettings) -> list[Row]:
    rows = list[Row]()
    for trial in trials:
        nothing = {"step": 0, "best": None, "test": None}
        folder = trial.attributes.get(FOLDER)
        for seed, summary in enumerate(trial.attributes.get(RESULTS) or [nothing] * command.sweep.seeds):
            rows.append(
                {
                    **nothing,
                    **summary,
                    "member": len(rows),
                    "trial": trial.number,
                    "point": trial.point,
                    "seed": command.base.sections["train"]["seed"] + seed,
                    FOLDER: folder if settings.is_run else f"{folder}/members/{seed}",
                    **_status(trial, summary),
                }
            )
    return rows


def _status(trial: FinishedTrial, summary: dict[str, Any]) -> dict[str, Any]:
    """The status of a trial's run, if its summary has another."""
    if trial.status == "failed" and summary.get("status") != DIVERGED:
        return {"status": "failed", "reason": trial.reason}
    if trial.status == "pruned":
        return {"status": "pruned", "reason": "pruned by the study"}
    return {}


def _copy_earlier_tests(rows: list[Row], folder: SweepFolder) -> None:
    """Copy the test metrics that results.jsonl has already."""
    earlier = {row.get(FOLDER): row for row in read_lines(folder.results)}
    for row in rows:
        before = earlier.get(row[FOLDER])
        if before is not None and before.get("test") is not None and before["best"] == row["best"]:
            row["test"] = before["test"]
