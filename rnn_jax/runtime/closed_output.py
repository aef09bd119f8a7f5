"""Handling of a closed standard output or error: `| head -1`, a closed pager or terminal.

Training continues (`ignore_closed_output`); a command that only prints results exits without a traceback
(`exit_on_closed_output`).
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

CLOSED = (errno.EPIPE, errno.EIO)
"""Errors of writing to a pipe without a reader and to a closed terminal."""


def ignore_closed_output() -> None:
    """Discard what is written to standard output and error once they are closed.

    This replaces `sys.stdout` and `sys.stderr`: call it before anything keeps a reference to them.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            raw = _DiscardingFile(stream.fileno(), "wb", closefd=False)
            discarding = io.TextIOWrapper(
                io.BufferedWriter(raw),
                stream.encoding,
                stream.errors,
                line_buffering=stream.line_buffering or stream.write_through,  # `python -u`
                write_through=stream.write_through,
            )
            setattr(sys, name, discarding)
    _open_missing()


@contextlib.contextmanager
def exit_on_closed_output() -> Iterator[None]:
    """Exit with status 0, at once, when standard output is closed."""
    _open_missing()
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, because an error of the interpreter's flush at exit cannot be caught
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            _redirect_to_null(stream.fileno())
        sys.exit(0)


class _DiscardingFile(io.FileIO):
    """A file that discards what is written to it once its reader is gone."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in CLOSED:
                raise
            _redirect_to_null(self.fileno())
            return super().write(data)


def _open_missing() -> None:
    """Replace None, which Python has for a standard stream that was closed at its start."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _redirect_to_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
