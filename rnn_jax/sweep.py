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
from rnn_jax.runtime.signals import exit_status
from rnn_jax.runtime.unheard import go_on_unheard
from rnn_jax.sweeping.command import parse
from rnn_jax.sweeping.folder import SweepFolder

if TYPE_CHECKING:
    from rnn_jax.sweeping.run import Finished


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    workdir = None
    try:
        command = parse(arguments)
        console = build_console()
        workdir = command.workdir or _default(command.base.source)
        SweepFolder(workdir).check(command.base, command.sweep)
        from rnn_jax.sweeping.run import run  # JAX starts here, after everything that can be mistyped

        with saying_what_is_logged(console):
            finished = run(command, workdir, console)
    except KeyboardInterrupt:
        hint = f"; to go on: {_go_on(workdir)}" if workdir and SweepFolder(workdir).sweep.exists() else ""
        print(f"interrupted{hint}", file=sys.stderr)
        return 130
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        return expected.exit_status
    if finished.stopped is not None:
        console.warn(f"{finished.stopped.name}, everything is saved. To go on:")
        console.note(_go_on(workdir))
        return exit_status(finished.stopped)
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


def _go_on(workdir: Path) -> str:
    return f"python -m rnn_jax.sweep --workdir {shlex.quote(str(workdir))}"


def _default(source: str) -> Path:
    return default_workdir(source, datetime.now(), kind="-sweep")


if __name__ == "__main__":
    restart_with_huge_pages()
    go_on_unheard()
    sys.exit(main(sys.argv[1:]))
