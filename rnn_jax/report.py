"""Writes one HTML page on runs and sweeps: curves, tables, what differs, what was mistaken."""

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime

from rnn_jax.config.report_command import check_out, parse
from rnn_jax.reporting.pages import contents, page
from rnn_jax.reporting.pages.collect import collect
from rnn_jax.runtime.command import run_command, warn


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_run, arguments)


def _run(arguments: Sequence[str]) -> int:
    command = parse(arguments)
    found = collect(command.folders)
    check_out(command.out)
    again = shlex.join(["python", "-m", "rnn_jax.report", *arguments])
    told, damaged = contents.build(found, again, datetime.now().astimezone())
    names = [folder.absolute().name for folder in command.folders]
    title = f"Report: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    size = page.write(told, title, command.out)
    for line in damaged:
        warn(f"{line}; left out")
    runs = len(told["runs"])
    print(f"{command.out}: {runs:,} {'run' if runs == 1 else 'runs'}, {size / 1e6:.1f} MB")
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main())
