"""The manifest of a folder: the SHA-256 of every file in it.

It reveals a file that is damaged, truncated, missing or unexpected, and any change of the manifest itself.
"""

import hashlib
import json
import stat
from pathlib import Path

from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.files import flush

NAME = "manifest.json"
_FORMAT = 2
_IRREGULAR = "not a regular file"


def write(folder: Path) -> None:
    """Write the manifest of a folder, and wait until the disk has the folder with all its files."""
    (folder / NAME).write_text(_text(_digests(folder)), encoding="utf-8")
    for path in (*folder.rglob("*"), folder):
        flush(path)


def verify(folder: Path) -> None:
    """Raise CheckpointError if the files of a folder differ from its manifest."""
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
        found = _digests(folder)
    except FileNotFoundError as error:
        reason = f"{Path(error.filename).name} is missing" if folder.is_dir() else "does not exist"
        raise CheckpointError(f"{folder}: {reason}") from error
    except OSError as error:
        raise CheckpointError(f"{folder}: {error.filename} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CheckpointError(f"{folder}: {NAME} is damaged") from error
    if text != _text(found) or _IRREGULAR in found.values():
        raise CheckpointError(f"{folder}: {_difference(text, found)}")


def _difference(text: str, found: dict[str, str]) -> str:
    """The first difference between the text of a manifest and the digests of the files."""
    try:
        content = json.loads(text)
        files, format_ = dict[str, str](content["files"]), content["format"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"{NAME} is damaged"
    if format_ == 1:
        return "was written by rnn_jax 0.1.0, and only that version reads it"
    for name, digest in files.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != digest:
            return f"{name} is damaged (its checksum differs)"
    for name, digest in found.items():
        if digest == _IRREGULAR:
            return f"{name} is {_IRREGULAR}"
        if name not in files:
            return f"{name} is not in {NAME}"
    return f"{NAME} is damaged"


def _text(digests: dict[str, str]) -> str:
    return json.dumps({"format": _FORMAT, "files": digests}, indent=1) + "\n"


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file by its path in the folder; links are not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
        if stat.S_ISREG(mode) and name != NAME:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            found[name] = _IRREGULAR
    return found
