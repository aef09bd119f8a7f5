"""What all commands share: settings of their process, and the exit status of an error.

def main(arguments: Sequence[str] | None = None) -> int:
    with run_command(arguments) as command:
        ...
    return command.exit_status
"""

import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from rnn_jax.runtime.allocator import restart_with_huge_pages
from rnn_jax.runtime.closed_output import exit_on_closed_output, ignore_closed_output
from rnn_jax.runtime.errors import as_user_error
from rnn_jax.runtime.signals import Interrupted, exit_status, restore_default_sigint


@dataclasses.dataclass
class Invocation:
    """One run of a command: its arguments, and its exit status once it has ended."""

    arguments: Sequence[str]
    exit_status: int = 0


@contextlib.contextmanager
def run_command(
    arguments: Sequence[str] | None = None, *, long_running: bool = False
) -> Iterator[Invocation]:
    """Context manager for the body of a command: print an expected error and set the exit status.

    Without `arguments`, it takes those of this process, which is then set up for the command. A command that
    is `long_running` trains or serves: it ignores a closed standard output instead of exiting, gets huge
    pages, and ends without a traceback when Ctrl-C comes before its `StopSignal`.
    """
    command = Invocation(sys.argv[1:] if arguments is None else arguments)
    with contextlib.ExitStack() as output:
        if arguments is None:
            if long_running:
                restore_default_sigint()
                restart_with_huge_pages()
                ignore_closed_output()
            else:
                output.enter_context(exit_on_closed_output())
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="replace")  # '?' for what the terminal's encoding does not have
        try:
            yield command
        except (KeyboardInterrupt, Interrupted) as interrupt:
            if sys.stderr.isatty():
                print(file=sys.stderr)  # after the terminal's ^C
            command.exit_status = exit_status(interrupt.signal) if isinstance(interrupt, Interrupted) else 130
        except Exception as error:
            expected = as_user_error(error)
            if expected is None:
                raise
            print(f"error: {expected}", file=sys.stderr)
            command.exit_status = expected.exit_status
            jax = sys.modules.get("jax")  # not imported here: most errors come before JAX starts
            if jax is not None and jax.distributed.is_initialized():  # other processes may wait for this one
                exit_now(expected.exit_status)


def warn(message: str) -> None:
    """Print a warning to standard error."""
    print(f"warning: {message}", file=sys.stderr)


def exit_now(status: int) -> NoReturn:
    """End the process without exit handlers: JAX's wait for the other processes of a run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
