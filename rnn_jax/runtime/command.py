"""What all commands share: settings of their process, and the exit status of an error.

def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(_run, arguments)

if __name__ == "__main__":
    sys.exit(main())
"""

import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

from rnn_jax.runtime.allocator import restart_with_huge_pages
from rnn_jax.runtime.closed_output import exit_on_closed_output, ignore_closed_output
from rnn_jax.runtime.errors import as_user_error
from rnn_jax.runtime.signals import Interrupted, exit_status, restore_default_sigint

Run = Callable[[Sequence[str]], int]
"""Parses the arguments of a command, does its work and returns the exit status."""


def run_command(run: Run, arguments: Sequence[str] | None = None, *, long_running: bool = False) -> int:
    """Run a command and return its exit status; print an expected error in one or two lines.

    Without `arguments`, it takes those of this process, which is then set up for the command. A command that
    is `long_running` trains or serves: it ignores a closed standard output instead of exiting, gets huge
    pages, and ends without a traceback when Ctrl-C comes before its `StopSignal`.
    """
    if arguments is not None:
        return _run(run, arguments)
    if long_running:
        restore_default_sigint()
        restart_with_huge_pages()
        ignore_closed_output()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # '?' for what the terminal's encoding does not have
    if long_running:
        return _run(run, sys.argv[1:])
    return exit_on_closed_output(partial(_run, run), sys.argv[1:])


def warn(message: str) -> None:
    """Print a warning to standard error."""
    print(f"warning: {message}", file=sys.stderr)


def exit_now(status: int) -> NoReturn:
    """End the process without exit handlers: JAX's wait for the other processes of a run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run(run: Run, arguments: Sequence[str]) -> int:
    try:
        return run(arguments)
    except (KeyboardInterrupt, Interrupted) as interrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # after the terminal's ^C
        return exit_status(interrupt.signal) if isinstance(interrupt, Interrupted) else 130
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        if _has_joined_processes():  # they may be waiting for this one
            exit_now(expected.exit_status)
        return expected.exit_status


def _has_joined_processes() -> bool:
    jax = sys.modules.get("jax")  # not imported here: most errors come before JAX starts
    return jax is not None and jax.distributed.is_initialized()
