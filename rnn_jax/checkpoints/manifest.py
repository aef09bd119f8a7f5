"""What a folder must hold: the SHA-256 of every file in it.

Orbax restores a file with a flipped bit without a word; against its manifest it shows, and so do a file that
is cut, gone, or one too many, and a change of the manifest itself.
"""

import hashlib
import json
from pathlib import Path

from rnn_jax.runtime.files import flush

NAME = "manifest.json"
_FORMAT = 1
_LINK = "a link"


def write(folder: Path) -> None:
    """Writes the manifest of a folder, and waits until the disk has all of it.

    Raises:
        OSError: the disk is full.
    """
    (folder / NAME).write_text(_text(_digests(folder)), encoding="utf-8")
    for path in (*folder.rglob("*"), folder):
        flush(path)


def fault(folder: Path) -> str | None:
    """What is wrong with the files of a folder; None: nothing."""
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
        content = json.loads(text)
        expected: dict[str, str] = dict(content["files"])
    except FileNotFoundError:
        return f"its {NAME} is missing" if folder.is_dir() else "it is not there"
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return f"its {NAME} is damaged"
    if content.get("format") != _FORMAT:
        return f"its {NAME} has the format {content.get('format')!r}, not {_FORMAT}"
    if text != _text(expected):
        return f"its {NAME} is damaged"
    try:
        found = _digests(folder)
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})"
    for name, digest in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != digest:
            return f"{name} is damaged (its checksum differs)"
    if _LINK in found.values():
        return f"{next(name for name in found if found[name] == _LINK)} is a link"
    strange = sorted(set(found) - set(expected))
    return f"{strange[0]} does not belong there" if strange else None


def _text(digests: dict[str, str]) -> str:
    return json.dumps({"format": _FORMAT, "files": digests}, indent=1) + "\n"


def _digests(folder: Path) -> dict[str, str]:
    """Links are not followed: what they point to is not in the folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    return {
        path.relative_to(folder).as_posix(): _LINK
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path != folder / NAME
    }
