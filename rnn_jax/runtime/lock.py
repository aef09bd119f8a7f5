"""One process at a time: in a folder, where a second one is told who is there; in turns, where it waits."""

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
LOOKS_EVERY_SECONDS = 0.2
TRIES, BETWEEN_TRIES_SECONDS = 3, 0.02
"""Who looks whether a folder is locked holds it for a moment."""
_logger = logging.getLogger(__name__)


class LockedError(UserError):
    """Another process works in the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder, which exists, for this process.

    The system takes the lock from a process that dies, however it dies. On a file system that several hosts
    share, it holds between them where the file system's locks (`flock`) do.

    Raises:
        LockedError: another process holds it; the message names its host and number.
        UserError: the folder cannot be written.
        StorageError: the disk is full.
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
        if _is_at(descriptor, path):  # else somebody removed the folder, and this is another process's lock
            path.unlink(missing_ok=True)  # while it is held: whoever waits for it sees that it is gone
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether another process holds a folder just now."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def taking_turns(path: Path, between: Callable[[], None] | None = None) -> Iterator[None]:
    """Lets one process at a time in, by a file that stays; the others wait.

    The system takes the lock from one that dies.

    Args:
        path: the file.
        between: called several times a second while this process waits; what it raises ends the wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _logger.info("waiting for another process, which is at work on the same (%s)", path)
            if between is None:
                fcntl.flock(file, fcntl.LOCK_EX)
            else:
                wait_while(lambda: not _takes(file), between)
        yield


def wait_while(condition: Callable[[], bool], between: Callable[[], None]) -> None:
    """Waits while something holds; `between` is called several times a second, and may raise."""
    while condition():
        between()
        time.sleep(LOOKS_EVERY_SECONDS)


def _takes(file: IO[Any]) -> bool:
    """Whether this process has the lock now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _acquire(path: Path) -> int:
    """The descriptor of the lock file, which is locked and still at its place."""
    tried = 0
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 1000, 0)
            os.close(descriptor)
            tried += 1
            if tried < TRIES:
                time.sleep(BETWEEN_TRIES_SECONDS)
                continue
            raise LockedError(f"{path.parent}: {_who(owner)} is at work there") from None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # whoever held it removed the file in between


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def _who(owner: bytes) -> str:
    try:
        found = json.loads(owner)
        return f"process {int(found['pid'])} on {found['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
