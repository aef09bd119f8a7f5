"""Trains many configs at once, and compares them."""

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_jax.reporting import ranking
from rnn_jax.reporting.console import Console, build_console, saying_what_is_logged
from rnn_jax.runtime.allocator import restart_with_huge_pages
from rnn_jax.runtime.errors import DivergedError, as_user_error
from rnn_jax.runtime.run_folder import default_workdir
from rnn_jax.runtime.signals import Interrupted, end_by_default, exit_status
from rnn_jax.runtime.unheard import go_on_unheard
from rnn_jax.sweeping.command import parse
from rnn_jax.sweeping.folder import SweepFolder

if TYPE_CHECKING:
    from rnn_jax.sweeping.run import Finished


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    console = build_console()
    try:
        command = parse(arguments)
        workdir = command.workdir or _default(command.base.source)
        SweepFolder(workdir).check(command.base, command.sweep)
        from rnn_jax.sweeping.run import run  # JAX starts here, after everything that can be mistyped

        try:
            with saying_what_is_logged(console):
                finished = run(command, workdir, console)
        except Interrupted as interrupted:
            _say_how_to_go_on(interrupted.signal.name, workdir, console)
            return exit_status(interrupted.signal)
    except KeyboardInterrupt:
        print("interrupted before anything was written", file=sys.stderr)
        return 130
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        return expected.exit_status
    return _say_results(finished, SweepFolder(workdir), console)


def _say_results(finished: "Finished", folder: SweepFolder, console: Console) -> int:
    """The five best points, and where the report is; the exit status."""
    ranked = ranking.points(finished.rows, finished.objective)
    rows = [
        (
            ", ".join(f"{key.partition('.')[2]} = {value}" for key, value in found.point.items()),
            {f"validation {finished.objective[0]}": found.mean},
        )
        for found in ranked[:5]
    ]
    diverged = sum(row["status"] == "diverged" for row in finished.rows)
    notes = [f"{diverged} of {len(finished.rows)} members diverged"] if diverged else []
    console.results(rows, [*notes, f"{finished.seconds:,.0f} s; the report is {folder.report}"])
    return 0 if ranked[0].values else DivergedError.exit_status


def _say_how_to_go_on(signal: str, workdir: Path, console: Console) -> None:
    if SweepFolder(workdir).sweep.exists():
        console.warn(f"{signal}, everything is saved. To go on:")
        console.note(f"python -m rnn_jax.sweep --workdir {shlex.quote(str(workdir))}")
    else:
        console.warn(f"{signal}, before anything was written")


def _default(source: str) -> Path:
    return default_workdir(source, datetime.now(), kind="-sweep")


if __name__ == "__main__":
    end_by_default()
    restart_with_huge_pages()
    go_on_unheard()
    sys.exit(main(sys.argv[1:]))
