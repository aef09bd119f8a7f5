"""Trains many configs, and compares them."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_jax.config.run_folder import default_workdir, run_name
from rnn_jax.reporting import ranking
from rnn_jax.reporting.console import Console, build_console, logging_to
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.errors import DivergedError
from rnn_jax.runtime.signals import Interrupted, exit_status
from rnn_jax.sweeping.command import Command, parse
from rnn_jax.sweeping.folder import SweepFolder

if TYPE_CHECKING:
    from rnn_jax.sweeping.run import Finished


SAID = ("diverged", "failed", "pruned")
"""Fates of members that are counted at the end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_run, arguments, long_running=True)


def _run(arguments: Sequence[str]) -> int:
    console = build_console()
    command = parse(arguments)
    workdir = command.workdir or _default(command)
    study = None if command.study is None else command.study.name
    SweepFolder(workdir).check(command.base, command.sweep, study)
    try:
        with logging_to(console):
            finished = _sweep(command, workdir, arguments, console)
    except Interrupted as interrupted:
        _say_how_to_go_on(interrupted.signal.name, workdir, command, console)
        return exit_status(interrupted.signal)
    return _say_results(finished, SweepFolder(workdir), console)


def _sweep(command: Command, workdir: Path, arguments: Sequence[str], console: Console) -> "Finished":
    # JAX starts here, after everything that can be mistyped.
    from rnn_jax.sweeping import run, study_run

    if command.study is None:
        return run.run(command, workdir, console)
    return study_run.run(command, workdir, arguments, console)


def _say_results(finished: "Finished", folder: SweepFolder, console: Console) -> int:
    """The five best points, and where the report is; the exit status."""
    ranked = ranking.rank_points(finished.rows, finished.objective)
    rows = [
        (
            ", ".join(f"{key.partition('.')[2]} = {value}" for key, value in found.point.items()),
            {f"validation {finished.objective.metric}": found.mean},
        )
        for found in ranked[:5]
    ]
    fates = Counter(row["status"] for row in finished.rows)
    notes = [f"{fates[status]} of {len(finished.rows)} members {status}" for status in SAID if fates[status]]
    console.results(rows, [*notes, f"{finished.seconds:,.0f} s; the report is {folder.report}"])
    if ranked[0].has_result:
        return 0
    return DivergedError.exit_status if fates["diverged"] else 1


def _say_how_to_go_on(signal: str, workdir: Path, command: Command, console: Console) -> None:
    if not SweepFolder(workdir).sweep.exists():
        console.warn(f"{signal}, before anything was written")
        return
    console.warn(f"{signal}, everything is saved. To go on:")
    if command.study is not None:  # whose database the folder does not name
        console.info("the same command")
        return
    console.info(f"python -m rnn_jax.sweep --workdir {shlex.quote(str(workdir))}")


def _default(command: Command) -> Path:
    """The folder of a sweep; of a study the same for everybody who takes part."""
    if command.study is None:
        return default_workdir(command.base.source, datetime.now(), suffix="-sweep")
    return Path("runs") / f"{run_name(command.base.source)}-sweep" / command.study.name


if __name__ == "__main__":
    sys.exit(main())
