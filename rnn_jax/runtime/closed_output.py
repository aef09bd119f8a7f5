"""Standard output and error whose reader goes away: `| head -1`, a pager that is left, a closed terminal.

A run must not be lost by that: it goes on without a word (`go_on_unheard`). A command that only has something
to say has no reason to go on (`end_unheard`). Neither ends in a traceback.
"""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NOBODY_READS = (errno.EPIPE, errno.EIO)
"""What a pipe without a reader, and a terminal that is gone, answer to a write."""


def go_on_unheard() -> None:
    """From here on, what is written to standard output and error after their reader went away is dropped.

    Where there was none to begin with (`>&-`), everything is. Call it before anybody keeps `sys.stdout`.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            setattr(sys, name, _dropping(stream))
    _open_the_closed()


def end_unheard(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """The exit status of a command, which ends at once, with 0, when nobody reads it any more."""
    _open_the_closed()
    try:
        try:
            status = command(arguments)
        except SystemExit as end:  # after `--help`
            status = int(end.code or 0)
        sys.stdout.flush()  # the interpreter's own, at its end, can only complain
        return status
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            _point_nowhere(stream.fileno())
        return 0


class _Dropping(io.FileIO):
    """A file that takes what it is given and drops it, once nobody reads it."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in NOBODY_READS:
                raise
            _point_nowhere(self.fileno())
            return super().write(data)


def _dropping(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream, but for what is said to nobody."""
    raw = _Dropping(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering or stream.write_through,  # `python -u`
        write_through=stream.write_through,
    )


def _open_the_closed() -> None:
    """Python has None for a standard stream that is closed, which nobody looks out for."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _point_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
