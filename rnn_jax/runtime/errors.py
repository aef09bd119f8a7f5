"""Errors with a message for users, and the exit status of a command that ends with one.

A command prints only the message, in one or two lines. Any other exception is a bug in this project and keeps
its traceback (exit status 1).
"""

import errno
import os
import re
from collections.abc import Iterable

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota on this disk is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
}
_REFUSED = (errno.EACCES, errno.EROFS, errno.EPERM, errno.EIO)
_WRONG_VARIABLE = {
    "invalid truth value '(?P<value>.*)' for environment '(?P<name>JAX_.*)'": "must be true or false",
    'Invalid value "(?P<value>.*)" for JAX flag (?P<name>jax_.*)': "JAX has no such value",
}
"""Messages of the ValueErrors that importing JAX raises for its environment variables."""
UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""Errors of calls that a file system does not have."""
UNREACHABLE = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS)
"""Errors of paths that can be neither read nor written."""


class UserError(ValueError):
    """Wrong input: the message names the key or file, the value, and what is allowed."""

    exit_status = 2


class DivergedError(UserError):
    """The loss or the gradient is not finite."""

    exit_status = 3


class CheckpointError(UserError):
    """There is no valid checkpoint of the requested kind."""

    exit_status = 4


class StorageError(UserError):
    """The disk or the memory is full."""

    exit_status = 5


def shorten(text: str, width: int = 60) -> str:
    """Return a text from a file for a message: in one line, with at most `width` characters."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"


def list_names(names: Iterable[str], most: int = 12) -> str:
    """Return `most` names from files for a message, each shortened, and the number of the others."""
    shown = [shorten(name, 30) for name in names]
    more = f" and {len(shown) - most:,} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def storage_error(place: object, error: Exception) -> UserError:
    """Return the StorageError for a failed write to a path, whichever library raised the error."""
    text = str(error)
    for code in FULL:
        if getattr(error, "errno", None) == code or os.strerror(code) in text:
            return StorageError(f"{place}: {FULL[code]}; free some space and start again")
    reason = getattr(error, "strerror", None) or next(
        (os.strerror(code) for code in _REFUSED if os.strerror(code) in text),
        text.strip().partition("\n")[0][:200],
    )
    return StorageError(f"{place}: cannot be written ({reason})")


class OutOfMemoryError(StorageError):
    """The memory of a device, or of the host, is full."""


def as_user_error(error: BaseException) -> UserError | None:
    """Return the UserError for an exception; None if it is a bug."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        return storage_error(error.filename or "a file", error)
    if isinstance(error, OSError) and error.errno in UNREACHABLE and error.filename is not None:
        return UserError(f"{error.filename}: cannot be reached ({error.strerror})")
    if isinstance(error, ValueError):
        for pattern, why in _WRONG_VARIABLE.items():
            if found := re.fullmatch(pattern, str(error)):
                return UserError(f"{found['name'].upper()}={found['value']} (environment variable): {why}")
    # Outside `memory.explain_out_of_memory`. XLA has one class of errors, whose messages begin with a status.
    if isinstance(error, MemoryError) or (
        type(error).__name__ == "JaxRuntimeError" and str(error).startswith("RESOURCE_EXHAUSTED: ")
    ):
        return OutOfMemoryError("out of memory: a smaller dataset.batch_size or model.hidden_size needs less")
    return None
