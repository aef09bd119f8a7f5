"""Files that are written whole or not at all, and errors for people where that fails."""

import errno
import io
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnn_jax.runtime.errors import StorageError, UserError, as_user_error


class UnwritableError(UserError):
    """A file or folder that the system does not let one write."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system says of a file or folder that cannot be written into an error for people."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)  # the system forgets it where a write fails
        full = as_user_error(error)
        if isinstance(full, StorageError):
            raise full from error
        raise UnwritableError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def while_running() -> Iterator[None]:
    """Inside, a file that cannot be written any more is a failure of the disk, and no wrong input."""
    try:
        yield
    except UnwritableError as error:
        raise StorageError(str(error)) from error


def check_place(folder: Path) -> None:
    """Looks whether a folder that is not there can be made.

    Raises:
        UserError: what is above it is no folder, or may not be written.
    """
    above = next(found for found in folder.absolute().parents if os.path.exists(found))
    why = errno.EACCES if os.path.isdir(above) else errno.ENOTDIR
    if why == errno.ENOTDIR or not os.access(above, os.W_OK):
        raise UserError(f"{folder}: cannot be written ({os.strerror(why)})")


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A path to write a new content to; at the end it takes the place of `file`, whole or not at all.

    The name is hidden, and has the same ending. Where writing fails, `file` is what it was.

    Raises:
        StorageError: the disk is full.
        UserError: the file cannot be written.
    """
    # Processes of containers, which may share a folder, often have the same number.
    unfinished = file.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.{file.name}")
    with writing(file):
        try:
            yield unfinished
            flush(unfinished)
            unfinished.replace(file)
            flush(file.parent)
        finally:
            unfinished.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Removes what `replacing` left in a folder when it was killed; nobody else may be at work there."""
    for leftover in folder.glob(".[0-9]*.*"):
        if leftover.name.split(".")[1].partition("-")[0].isdigit():
            leftover.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Writes a text, in UTF-8, whole or not at all; raises as `replacing`."""
    with replacing(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, sorted and indented, whole or not at all; raises as `replacing`."""
    write_text(file, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_all(file: io.RawIOBase, content: bytes) -> None:
    """Appends to an unbuffered file all or, where that fails, nothing.

    Raises:
        OSError: the disk is full, or broken.
    """
    begin = file.seek(0, os.SEEK_END)
    written = 0
    try:
        while written < len(content):  # a disk that is nearly full takes a part
            written += file.write(content[written:]) or 0
    except BaseException:
        file.truncate(begin)
        raise


def flush(path: Path) -> None:
    """Waits until the disk has a file, or the names of what is in a folder.

    Raises:
        OSError: the disk is full, or broken.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(file: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: damaged, no valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{file}: damaged, no JSON object")
    return value


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """Reads a file of JSON objects, one a line, without what a crash left of a last one; [] if there is none.

    Raises:
        UserError: it cannot be read, or a line is damaged.
    """
    if not os.path.lexists(file):
        return []
    try:
        lines = file.read_bytes().split(b"\n")[:-1]  # after the last newline: nothing, or a torn line
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}: damaged, line {number} is no valid JSON") from error
        if not isinstance(rows[-1], dict):
            raise UserError(f"{file}: damaged, line {number} is no JSON object")
    return rows


def refuse_link(file: Path) -> None:
    """Raises UserError where a file of a run folder is a link, which may name any file of the computer."""
    if file.is_symlink():
        raise UserError(f"{file}: is a link, which may lead out of the run folder; put the file itself there")


def finite(value: Any) -> Any:
    """The value with None for every number that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
