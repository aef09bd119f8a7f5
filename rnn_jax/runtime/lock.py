"""Locks between processes: of a folder, which a second process cannot use, or a file, which it waits for."""

import contextlib
import errno
import fcntl
import functools
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import UNSUPPORTED, UserError
from rnn_jax.runtime.files import writing

NAME = ".lock"
POLL_SECONDS = 0.2
TRIES, BETWEEN_TRIES_SECONDS = 3, 0.02
"""`is_locked` of another process holds the lock for a moment."""
_logger = logging.getLogger(__name__)


class LockedError(UserError):
    """Another process uses the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock an existing folder for this process.

    The system releases the lock of a process that ends, however it ends. On a shared file system it excludes
    other hosts if the file system's `flock` does; where there is none, a warning says so, and only a living
    process on this host is noticed. Raises LockedError, which has the host and number of the process that
    holds it, or as `files.writing`.
    """
    path = folder / NAME
    with writing(path):
        descriptor = _acquire(path)
    try:
        with writing(path):
            os.ftruncate(descriptor, 0)
            owner = {"host": socket.gethostname(), "pid": os.getpid()}
            os.pwrite(descriptor, json.dumps(owner).encode(), 0)
        yield
    finally:
        if _is_at(descriptor, path):  # else the folder was removed, and this is another process's lock
            path.unlink(missing_ok=True)  # while it is held, so that a waiting process notices
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether another process holds the lock of a folder.

    Raises UserError where the file system has no locks, and a process of another host has left its file.
    """
    path = folder / NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        is_free, owner = _takes(descriptor, fcntl.LOCK_SH), _Owner.read(descriptor)
    finally:
        os.close(descriptor)
    if is_free is None and owner.is_elsewhere:
        raise UserError(f"{path}: is of {owner}, which may have ended; if it has, remove the file")
    return owner.is_alive_here if is_free is None else not is_free


@contextmanager
def waiting_lock(path: Path, between: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait for the lock of a file, which stays, and hold it; the system releases that of a process that ends.

    `between` is called several times a second while this process waits, and may raise. Without locks in the
    file system, a warning is printed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if (is_free := _takes(file)) is False:
            _logger.info("waiting for another process, which holds %s", path)
            wait_while(lambda: _takes(file) is False, between)
        if is_free is None:
            _warn_of_missing_locks(path.parent)
        yield


def wait_while(condition: Callable[[], bool], between: Callable[[], None]) -> None:
    """Wait while a condition holds; `between` is called several times a second, and may raise."""
    while condition():
        between()
        time.sleep(POLL_SECONDS)


def _takes(file: int | IO[Any], kind: int = fcntl.LOCK_EX) -> bool | None:
    """Whether this process has acquired the lock of a file, without waiting; None: there are no locks here.

    Lustre has them only if it is mounted with `flock` (ENOSYS), NFS only with a lock service (ENOLCK).
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (*UNSUPPORTED, errno.ENOLCK):
            raise
        return None
    return True


@functools.cache
def _warn_of_missing_locks(folder: Path) -> None:
    """Print a warning, once for each folder."""
    warn(
        f"{folder}: its file system has no locks (flock), so nothing prevents processes of other hosts from "
        "writing there at the same time: start one only"
    )


class _Owner(NamedTuple):
    """The process that has written a lock file: None if that is not known."""

    host: str | None = None
    pid: int | None = None

    @classmethod
    def read(cls, descriptor: int) -> "_Owner":
        try:
            found = json.loads(os.pread(descriptor, 1000, 0))
            return cls(str(found["host"]), int(found["pid"]))
        except (ValueError, KeyError, TypeError):
            return cls()

    def __str__(self) -> str:
        return "another process" if self.host is None else f"process {self.pid} on {self.host}"

    @property
    def is_elsewhere(self) -> bool:
        return self.host not in (None, socket.gethostname())

    @property
    def is_alive_here(self) -> bool:
        if self.pid in (None, os.getpid()) or self.is_elsewhere:  # a container's first process is always 1
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:  # another user's
            pass
        return True


def _acquire(path: Path) -> int:
    """Return the descriptor of the lock file, locked and not removed meanwhile."""
    tries, owner, is_free = 0, _Owner(), None
    while tries < TRIES:
        with contextlib.ExitStack() as stack:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            stack.callback(os.close, descriptor)
            is_free, owner = _takes(descriptor), _Owner.read(descriptor)
            if is_free is None and not owner.is_alive_here:
                _warn_of_missing_locks(path.parent)
                stack.pop_all()
                return descriptor
            if is_free:
                if _is_at(descriptor, path):
                    stack.pop_all()
                    return descriptor
                continue  # its previous owner removed the file meanwhile
        tries += 1
        time.sleep(BETWEEN_TRIES_SECONDS)
    remedy = f"; if that is another program, remove {path}" if is_free is None else ""
    raise LockedError(f"{path.parent}: in use by {owner}{remedy}")


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False
