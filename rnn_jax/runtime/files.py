"""Small files that are read and written whole, and errors for people where that fails."""

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnn_jax.runtime.errors import StorageError, UserError, as_user_error


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
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def check_place(folder: Path) -> None:
    """Looks whether a folder that is not there can be made.

    Raises:
        UserError: what is above it is no folder, or may not be written.
    """
    above = next(found for found in folder.absolute().parents if os.path.exists(found))
    why = errno.EACCES if os.path.isdir(above) else errno.ENOTDIR
    if why == errno.ENOTDIR or not os.access(above, os.W_OK):
        raise UserError(f"{folder}: cannot be written ({os.strerror(why)})")


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, sorted and indented, whole or not at all: a new file takes the old one's place.

    Raises:
        StorageError: the disk is full.
        UserError: the file cannot be written.
    """
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    with writing(file):
        try:
            with unfinished.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)


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


def finite(value: Any) -> Any:
    """The value with None for every number that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
