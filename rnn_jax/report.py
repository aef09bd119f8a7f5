"""Writes one HTML page on runs and sweeps: curves, tables, what differs, what was mistaken."""

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime

from rnn_jax.config.report_command import check_out, parse
from rnn_jax.reporting.pages import contents, page
from rnn_jax.reporting.pages.collect import collect
from rnn_jax.runtime.closed_output import end_unheard
from rnn_jax.runtime.errors import as_user_error


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    try:
        command = parse(arguments)
        found = collect(command.folders)
        check_out(command.out)
        again = shlex.join(["python", "-m", "rnn_jax.report", *arguments])
        told, damaged = contents.build(found, again, datetime.now().astimezone())
        names = [folder.absolute().name for folder in command.folders]
        title = f"Report: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        size = page.write(told, title, command.out)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        return expected.exit_status
    for line in damaged:
        print(f"warning: {line}; left out", file=sys.stderr)
    runs = len(told["runs"])
    print(f"{command.out}: {runs:,} {'run' if runs == 1 else 'runs'}, {size / 1e6:.1f} MB")
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(end_unheard(main, sys.argv[1:]))
