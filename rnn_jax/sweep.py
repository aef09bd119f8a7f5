"""Trains many configs at once, and compares them."""

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rnn_jax.reporting import ranking
from rnn_jax.reporting.console import build_console, say_what_is_logged
from rnn_jax.runtime.allocator import restart_with_huge_pages
from rnn_jax.runtime.errors import as_user_error
from rnn_jax.runtime.run_folder import default_workdir
from rnn_jax.sweeping.command import parse
from rnn_jax.sweeping.folder import SweepFolder


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    try:
        command = parse(arguments)
        console = build_console()
        say_what_is_logged(console)
        workdir = command.workdir or _default(command.source)
        from rnn_jax.sweeping.run import run  # JAX starts here, after everything that can be mistyped

        finished = run(command, workdir, console)
    except KeyboardInterrupt:
        print("interrupted before the first checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        return expected.exit_status
    if finished.stopped is not None:
        console.warn(f"{finished.stopped.name}, everything is saved. To go on:")
        console.note(f"python -m rnn_jax.sweep --workdir {shlex.quote(str(workdir))}")
        return 128 + finished.stopped
    rows = [
        (
            ", ".join(f"{key.partition('.')[2]} = {value}" for key, value in found.point.items()),
            {f"validation {name}": found.mean},
        )
        for name in finished.objective[:1]
        for found in ranking.points(finished.rows, finished.objective)[:5]
    ]
    diverged = sum(row["status"] == "diverged" for row in finished.rows)
    notes = [f"{diverged} of {len(finished.rows)} members diverged"] if diverged else []
    console.results(rows, [*notes, f"{finished.seconds:,.0f} s; the report is {SweepFolder(workdir).report}"])
    return 0


def _default(source: str) -> Path:
    ordinary = default_workdir(source, datetime.now())
    return ordinary.parent.with_name(f"{ordinary.parent.name}-sweep") / ordinary.name


if __name__ == "__main__":
    restart_with_huge_pages()
    sys.exit(main(sys.argv[1:]))
