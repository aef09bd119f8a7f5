"""Standard output and error of a command's process: missing characters, a closed reader, a full disk.

- A character that the encoding lacks, or a byte of a file name that is no UTF-8, is written as an escape.
- Once the reader is gone (`| head -1`, a closed pager or terminal), training continues, and a command that
  only prints results ends (`ClosedOutputError`).
- A full disk behind standard output is an error that names it. One behind standard error loses the messages.
"""

import errno
import io
import os
import sys
from typing import Any

from rnn_jax.runtime.errors import FULL, storage_error

CLOSED = (errno.EPIPE, errno.EIO)
"""Errors of writing to a pipe without a reader and to a closed terminal."""
NAMES = {"stdout": "standard output", "stderr": "standard error"}


class ClosedOutputError(Exception):
    """The reader of standard output is gone."""


def replace_standard_streams(*, ignore_closed: bool) -> None:
    """Replace `sys.stdout` and `sys.stderr`: call it before anything keeps a reference to them.

    With `ignore_closed`, what is written to a closed stream is discarded; else it raises ClosedOutputError.
    Writing to a full disk raises StorageError.
    """
    for name in NAMES:
        stream = getattr(sys, name)
        if stream is None:  # closed before Python started
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream, io.TextIOWrapper) and isinstance(
            stream.buffer, io.BufferedWriter | io.FileIO
        ):
            stream.flush()
            replaced = io.TextIOWrapper(
                io.BufferedWriter(_StandardFile(stream.fileno(), name, ignore_closed=ignore_closed)),
                stream.encoding,
                "backslashreplace",
                line_buffering=stream.line_buffering or stream.write_through,  # `python -u`
                write_through=stream.write_through,
            )
            setattr(sys, name, replaced)


class _StandardFile(io.FileIO):
    """Standard output or error; after an error, what is written is discarded."""

    def __init__(self, descriptor: int, name: str, *, ignore_closed: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._name, self._ignore_closed = name, ignore_closed

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (*CLOSED, *FULL):
                raise
            self._discard_from_now_on()
            if self._name == "stdout" and error.errno in FULL:
                raise storage_error(NAMES[self._name], error) from error
            if self._name == "stdout" and not self._ignore_closed:
                raise ClosedOutputError from error
            return super().write(data)

    def _discard_from_now_on(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)
