"""Errors that are written for people, and the exit status each one ends a command with.

A command prints such an error's message alone, in one or two lines. Anything else that is raised is a bug in
this project and keeps its traceback (exit status 1).
"""

import errno
import os

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota on this disk is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
}
_REFUSED = (errno.EACCES, errno.EROFS, errno.EPERM, errno.EIO)

UNREACHABLE = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS)
"""What the system says of a place that nothing can be read from or written to."""


class UserError(Exception):
    """Wrong input: the message says what is wrong, where, and what would be right."""

    exit_status = 2


class DivergedError(UserError):
    """The loss or the gradient stopped being finite."""

    exit_status = 3


class CheckpointError(UserError):
    """No valid checkpoint of the kind that was asked for."""

    exit_status = 4


class StorageError(UserError):
    """The disk or the memory is full."""

    exit_status = 5


def storage_error(place: object, error: Exception) -> UserError:
    """The error for people that a failure to write at a place amounts to, whichever library raised it."""
    text = str(error)
    for code in _FULL:
        if getattr(error, "errno", None) == code or os.strerror(code) in text:
            return StorageError(f"{place}: {_FULL[code]}; make room, and start again")
    reason = getattr(error, "strerror", None) or next(
        (os.strerror(code) for code in _REFUSED if os.strerror(code) in text),
        text.strip().partition("\n")[0][:200],
    )
    return StorageError(f"{place}: cannot be written ({reason})")


class OutOfMemoryError(StorageError):
    """The memory of a device, or of the host, is full."""


def as_user_error(error: BaseException) -> UserError | None:
    """The error for people that an exception amounts to; None where it is a bug."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return storage_error(error.filename or "the run folder", error)
    if isinstance(error, OSError) and error.errno in UNREACHABLE and error.filename is not None:
        return UserError(f"{error.filename}: cannot be reached ({error.strerror})")
    # What `training/memory.py` has not told better. XLA's error has one class, and begins with its status.
    if isinstance(error, MemoryError) or (
        type(error).__name__ == "JaxRuntimeError" and str(error).startswith("RESOURCE_EXHAUSTED: ")
    ):
        return OutOfMemoryError("out of memory: a smaller dataset.batch_size or model.hidden_size needs less")
    return None
