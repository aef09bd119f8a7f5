"""Locks between processes: of a folder, which a second process cannot use, or a file, which it waits for."""

import contextlib
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rnn_jax.runtime.errors import UserError
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
    other hosts if the file system's `flock` does. Raises LockedError, which has the host and number of the
    process that holds it, or as `files.writing`.
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
    """Whether another process holds the lock of a folder."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _takes(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextmanager
def waiting_lock(path: Path, between: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait for the lock of a file, which stays, and hold it; the system releases that of a process that ends.

    `between` is called several times a second while this process waits, and may raise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if not _takes(file):
            _logger.info("waiting for another process, which holds %s", path)
            wait_while(lambda: not _takes(file), between)
        yield


def wait_while(condition: Callable[[], bool], between: Callable[[], None]) -> None:
    """Wait while a condition holds; `between` is called several times a second, and may raise."""
    while condition():
        between()
        time.sleep(POLL_SECONDS)


def _takes(file: int | IO[Any], kind: int = fcntl.LOCK_EX) -> bool:
    """Whether this process has acquired the lock of a file, without waiting for it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _acquire(path: Path) -> int:
    """Return the descriptor of the lock file, locked and not removed meanwhile."""
    tries, owner = 0, b""
    while tries < TRIES:
        with contextlib.ExitStack() as stack:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            stack.callback(os.close, descriptor)
            if _takes(descriptor):
                if _is_at(descriptor, path):
                    stack.pop_all()
                    return descriptor
                continue  # its previous owner removed the file meanwhile
            owner = os.pread(descriptor, 1000, 0)
        tries += 1
        time.sleep(BETWEEN_TRIES_SECONDS)
    try:
        found = json.loads(owner)
        who = f"process {int(found['pid'])} on {found['host']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    raise LockedError(f"{path.parent}: in use by {who}")


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False
