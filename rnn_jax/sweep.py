"""Trains a model at many points of a search space, and compares them."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rnn_jax.config.objective import Objective
from rnn_jax.config.plugins import plugin_flags, plugins_of
from rnn_jax.reporting import sweep_report
from rnn_jax.reporting.console import Console, build_console, logging_to
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.errors import DivergedError
from rnn_jax.runtime.signals import Interrupted, exit_status
from rnn_jax.sweeping.command import Command, parse
from rnn_jax.sweeping.folder import SweepFolder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    with run_command(arguments, long_running=True) as command:
        command.exit_status = _run(command.arguments)
    return command.exit_status


def _run(arguments: Sequence[str]) -> int:
    began, console, command = time.perf_counter(), build_console(), parse(arguments)
    folder = SweepFolder(command.workdir)
    folder.check(command.base, command.sweep, command.study and command.study.name)
    try:
        with logging_to(console):
            # JAX starts here, after every check of the command line.
            if command.study is None:
                from rnn_jax.sweeping.run import run_sweep

                rows, objective = run_sweep(command, console)
            else:
                from rnn_jax.sweeping.study_run import run_study

                rows, objective = run_study(command, command.study, arguments, console)
    except Interrupted as interrupted:
        _explain_how_to_resume(interrupted.signal.name, command, console)
        return exit_status(interrupted.signal)
    last_note = f"{time.perf_counter() - began:,.0f} s; the report is {folder.report}"
    return _print_results(rows, objective, last_note, console)


def _print_results(rows: list[dict[str, Any]], objective: Objective, last_note: str, console: Console) -> int:
    """Print the five best points, or the best of each data set, and notes; return the exit status."""
    ranked, best = sweep_report.rank_points(rows, objective), []
    winners = sweep_report.winners(ranked)
    for found in ranked[:5] if len(winners) == 1 else winners:
        values = ", ".join(f"{key.partition('.')[2]} = {value}" for key, value in found.point.items())
        best.append((values, {f"validation {objective.metric}": found.mean}))
    statuses, ends = Counter(row["status"] for row in rows), ("diverged", "failed", "pruned")
    notes = [f"{statuses[end]} of {len(rows)} members {end}" for end in ends if statuses[end]]
    console.results(best, [*notes, last_note])
    if winners[0].has_result:
        return 0
    return DivergedError.exit_status if statuses["diverged"] else 1


def _explain_how_to_resume(signal: str, command: Command, console: Console) -> None:
    if not SweepFolder(command.workdir).sweep.exists():
        console.warn(f"{signal}, before anything was written")
        return
    console.warn(f"{signal}, everything is saved. To resume:")
    plugins = plugin_flags(plugins_of(command.base.sections, command.sweep.listed_values))
    alone = shlex.join(["python", "-m", "rnn_jax.sweep", "--workdir", str(command.workdir), *plugins])
    console.info(alone if command.study is None else "the same command")  # no file has a study's database


if __name__ == "__main__":
    sys.exit(main())
