"""What all commands share: settings of their process, and the exit status of an error.

def main(arguments: Sequence[str] | None = None) -> int:
    with run_command(arguments) as command:
        ...
    return command.exit_status
"""

import contextlib
import dataclasses
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from rnn_jax.runtime.allocator import restart_with_huge_pages
from rnn_jax.runtime.errors import as_user_error
from rnn_jax.runtime.signals import Interrupted, exit_at_sigint, exit_status, raise_at_sigint
from rnn_jax.runtime.standard_output import ClosedOutputError, replace_standard_streams


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
    if arguments is not None:
        command = Invocation(arguments)
        with _errors_as_status(command):
            yield command
        return
    if long_running:
        exit_at_sigint()
        restart_with_huge_pages()
    else:
        raise_at_sigint()
    replace_standard_streams(ignore_closed=long_running)
    command = Invocation(sys.argv[1:])
    # The output is flushed here, because an error of the interpreter's flush at exit cannot be caught.
    flushed = Invocation(())
    try:
        with _errors_as_status(command):
            yield command
    finally:
        with _errors_as_status(flushed):
            sys.stdout.flush()
        if flushed.exit_status:
            sys.exit(flushed.exit_status)


@contextlib.contextmanager
def _errors_as_status(command: Invocation) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as interrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # after the terminal's ^C
        command.exit_status = exit_status(interrupt.signal) if isinstance(interrupt, Interrupted) else 130
    except ClosedOutputError:
        sys.exit(0)
    except Exception as error:
        expected = as_user_error(error)
        if expected is None:
            raise
        print(f"error: {expected}", file=sys.stderr)
        command.exit_status = expected.exit_status
        jax = sys.modules.get("jax")  # not imported here: most errors come before JAX starts
        if jax is not None and jax.distributed.is_initialized():  # other processes may wait for this one
            exit_now(expected.exit_status)


def version() -> str:
    """Return the name and version of the installed package, as `--version` prints it."""
    return f"rnn_jax {importlib.metadata.version('rnn-jax-research')}"


def warn(message: str) -> None:
    """Print a warning to standard error."""
    print(f"warning: {message}", file=sys.stderr)


def exit_now(status: int) -> NoReturn:
    """End the process without exit handlers: JAX's wait for the other processes of a run."""
    output = Invocation((), status)
    with _errors_as_status(output):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(output.exit_status)
