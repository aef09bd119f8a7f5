"""Atomic writes of files, and messages for those that fail."""

import errno
import functools
import io
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import FULL, UNSUPPORTED, StorageError, UserError, storage_error

_warn_once = functools.cache(warn)


class UnwritableError(UserError):
    """A file or folder cannot be written."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise StorageError for a full disk, UnwritableError for another OSError of writing a file or folder."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise storage_error(error.filename or path, error) from error  # a failed write has no file name
        raise UnwritableError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def as_storage_errors() -> Iterator[None]:
    """Raise a StorageError in place of an UnwritableError: during a run the disk failed, not the input."""
    try:
        yield
    except UnwritableError as error:
        raise StorageError(str(error)) from error


def user_path(text: str | Path, key: str | None = None) -> Path:
    """Return a path that a user gives, with the home folder for `~` and `~name`.

    Shells replace them in `--workdir ~/x`, and not in `--workdir=~/x`. As there, `~name` stays if there is no
    such user, and `./~` is a folder of that name. Raises UserError, which names the key if there is one, if
    the home folder is not known.
    """
    path, place = Path(text), f"{key} = {text}" if key else str(text)
    first = path.parts[0] if path.parts else ""
    if first.startswith("~") and not str(text).startswith("~"):
        return path.absolute()
    if first == "~" and os.environ.get("HOME") == "":  # would be the root folder
        raise UserError(f"{place}: ~ is the home folder, and HOME is empty; give another path")
    try:
        return path.expanduser()
    except RuntimeError as error:
        if first != "~":
            return path
        raise UserError(f"{place}: ~ is the home folder, and HOME is not set; give another path") from error


def check_creatable(folder: Path) -> None:
    """Raise UserError if a missing folder cannot be created: its nearest parent is no writable folder."""
    above = next(found for found in folder.absolute().parents if os.path.exists(found))
    why = errno.EACCES if os.path.isdir(above) else errno.ENOTDIR
    if why == errno.ENOTDIR or not os.access(above, os.W_OK):
        raise UserError(f"{folder}: cannot be written ({os.strerror(why)})")


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a temporary path, which is renamed to `file` at the end.

    Its name is hidden and has the same suffix. If writing fails, `file` is unchanged; raises as `writing`.
    """
    # Containers may share a folder, and their processes often have the same number.
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
    """Remove the temporary files of killed processes; no other process may use the folder."""
    for leftover in folder.glob(".[0-9]*.*"):
        if leftover.name.split(".")[1].partition("-")[0].isdigit():
            leftover.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a UTF-8 text atomically, bytes of names that are not UTF-8 as escapes; raise as `replacing`."""
    with replacing(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, sorted and indented, atomically; raise as `replacing`."""
    write_text(file, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_all(file: io.RawIOBase, content: bytes) -> None:
    """Append to an unbuffered file; if that raises OSError, since the disk is full, the file is unchanged."""
    begin = file.seek(0, os.SEEK_END)
    written = 0
    try:
        while written < len(content):  # a nearly full disk accepts a part
            written += file.write(content[written:]) or 0
    except BaseException:
        file.truncate(begin)
        raise


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk; raise OSError if the disk is full, or fails."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flush_open(descriptor, path)
    finally:
        os.close(descriptor)


def flush_open(descriptor: int, path: Path) -> None:
    """Flush an open file or folder; raise as `flush`.

    Some file systems cannot: CIFS does not flush folders (EINVAL). Then a warning is printed, once.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (*UNSUPPORTED, errno.EINVAL):
            raise
        what = "folders" if path.is_dir() else "files"
        _warn_once(
            f"{path.absolute().parent}: its file system cannot flush {what} to the disk ({error.strerror}): "
            "after a power cut, what was written last may be missing"
        )


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON file with one object; raise UserError if it cannot be read, or is something else."""
    return _parse(_read(file), f"{file}: damaged,")


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """Read a file with one JSON object per line, without an incomplete last one; [] if it is missing.

    Raises UserError if it cannot be read, or a line is damaged.
    """
    # After the last newline: nothing, or a torn line.
    lines = _read(file).split(b"\n")[:-1] if os.path.lexists(file) else []
    return [_parse(line, f"{file}: damaged, line {number} is") for number, line in enumerate(lines, 1)]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error


def _parse(content: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place} not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{place} not a JSON object")
    return value


def reject_link(file: Path) -> None:
    """Raise UserError if a file of a run folder is a symbolic link, which may lead anywhere."""
    if file.is_symlink():
        raise UserError(f"{file}: is a link, which may lead out of the run folder; replace it by the file")


def finite(value: Any) -> Any:
    """Return the value with None in place of NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
