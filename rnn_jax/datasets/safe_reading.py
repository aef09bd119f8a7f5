"""Safe reading of files from elsewhere: as data, within limits, with errors that name the file.

Data sets, archives and run folders may be damaged or malicious. Readers here never unpickle, never follow a
path out of its folder, and never allocate more memory than a file can honestly contain. Texts are decoded
strictly, with errors that name the line. `archives.py` has the readers of compressed files.
"""

import contextlib
import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rnn_jax.config.sections.dataset import LabelledText, OwnFiles, Sequences, Text
from rnn_jax.datasets import text_encodings
from rnn_jax.datasets.file_kinds import kind_of, remedy_for, require_kind
from rnn_jax.runtime import files
from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import UserError, shorten
from rnn_jax.runtime.files import user_path

_MAX_JSON_BYTES = 1 << 28
_SPLIT_KEYS = {"train": "file", "validation": "validation_file", "test": "test_file"}
_DATASETS: dict[type[OwnFiles], str] = {
    Text: "text",
    LabelledText: "labelled_text",
    Sequences: "sequences",
}


def require_inside(folder: Path, path: Path, key: str | None = None) -> Path:
    """Return the path; raise UserError if it leads out of the folder, by a link or by `..`.

    `key` is the config key that allows such links, if there is one.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        return path
    allow = f", or set --config.{key}=True" if key else ""
    raise UserError(f"{path}: leads out of {folder}: must be inside; put the file itself there{allow}")


@contextlib.contextmanager
def reading(path: Path, problem: str = "damaged") -> Iterator[None]:
    """Turn whatever a library raises while it reads a file into a UserError `path: problem: reason`.

    Only calls of the library belong in this context: for damaged files, libraries raise errors of any type.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        reason = str(error).strip() or type(error).__name__
        raise UserError(f"{path}: {problem}: {shorten(reason, 200)}") from error


def existing_path(key: str, name: str, *, folder: bool = False) -> Path:
    """Return the path of the file, or folder, that a key names; raise UserError if there is none."""
    what = "folder" if folder else "file"
    try:
        path = user_path(name)
        if path.is_dir() if folder else path.is_file():
            return path
        problem = f"no such {what}"
        if path.exists():
            kind = kind_of(path)
            problem = f"is not a {what} but {kind.name}{remedy_for(kind)}"
    except (OSError, ValueError) as error:  # name too long, unknown home, zero byte
        problem = str(error)
    raise UserError(f"{key} = {name}: {problem}; set --config.{key}={what.upper()}")


def split_paths(options: OwnFiles) -> dict[str, Path]:
    """Return the path of each split that has a file; raise UserError if it is missing, or of another kind."""
    paths = {}
    for split, key in _SPLIT_KEYS.items():
        if (name := getattr(options, key)) is not None:
            paths[split] = existing_path(f"dataset.{key}", name)
            if not _reads_any_file(options):
                require_kind(paths[split], _DATASETS[type(options)], f"dataset.{key} = {name}")
    return paths


def _reads_any_file(options: OwnFiles) -> bool:
    """Whether files are read as bytes, or in an encoding in which a text may look like a binary file."""
    if not isinstance(options, Text):
        return False
    is_bytes = type(options) is Text and options.tokenizer == "bytes"
    return is_bytes or (options.encoding is not None and not text_encodings.extends_ascii(options.encoding))


def hash_splits(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of the file of each split; warn about splits whose files have the same contents."""
    hashes = {split: sha256(path) for split, path in paths.items()}
    for split, other in itertools.combinations(reversed(hashes), 2):
        if hashes[split] == hashes[other]:
            key, problem = _SPLIT_KEYS[split], f"has the same contents as dataset.{_SPLIT_KEYS[other]}"
            warn(f"dataset.{key} = {paths[split]}: {problem}: use other examples")
    return hashes


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object; raise UserError if the file is something else, or a link out of its folder."""
    require_inside(file.parent, file)
    with reading(file, "damaged, not valid JSON"):
        if file.stat().st_size > _MAX_JSON_BYTES:
            raise UserError(f"{file}: damaged: {file.stat().st_size:,} bytes: at most {_MAX_JSON_BYTES:,}")
        return files.read_json(file)


def decode_utf8(data: bytes, path: Path) -> str:
    """Decode the contents of a file; raise UserError if they are not UTF-8."""
    with reading(path, "damaged, not UTF-8"):
        return data.decode()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raise UserError if it cannot be read."""
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def decoding(path: Path, encoding: str) -> Iterator[None]:
    """Turn errors of reading and decoding part of a text file into a UserError."""
    with reading(path):
        try:
            yield
        except UnicodeError as error:
            raise text_encodings.undecodable(path.read_bytes(), path, (encoding,)) from error


def encoding_of(path: Path) -> str:
    """Return the encoding of a text file, by its first bytes."""
    with reading(path), path.open("rb") as file:
        return text_encodings.find_encoding(file.read(text_encodings.START_BYTES))
