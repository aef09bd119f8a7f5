"""The original files of a data set: where they are found, and whether they are the right ones."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets.dataset import Splits
from rnn_jax.runtime.errors import UserError


class Feature(NamedTuple):
    """The shape, without the axis of examples, and the type of one array of a data set."""

    shape: tuple[int | None, ...]  # None, for the first axis alone: of any length
    dtype: type[np.generic]

    @property
    def is_ragged(self) -> bool:
        """Whether examples are of different lengths."""
        return None in self.shape


class Source(NamedTuple):
    """A data set as its authors published it.

    `read` turns the files, by name, into arrays with the given features (of ragged ones a list). It checks
    what it reads, and raises UserError for a file that is not what it should be. To change `read` or
    `checksums`, change the version.
    """

    name: str
    version: str
    description: str
    url: str  # of the folder, with a slash at its end
    checksums: dict[str, str]  # file name -> SHA-256, in hexadecimal
    features: dict[str, Feature]
    read: Callable[[dict[str, Path]], Splits]
    find: Callable[[Path], dict[str, Path] | None] | None = None
    """Looks in a folder for the original in another form than the published files: what it finds, or None. It
    raises UserError for what is not the original."""

    @property
    def file_names(self) -> str:
        """The files' names, to be shown."""
        return ", ".join(self.checksums)


def locate(source: Source, manual_dir: str | None) -> dict[str, Path] | None:
    """Finds the original files, and verifies them.

    Looks into `manual_dir`, or where that is None into `$RNN_JAX_DATA/<name>`.

    Returns:
        The path of each file, by its name, or None where no files were given.

    Raises:
        UserError: `manual_dir` is no folder or lacks a file, or a file is not the original one.
    """
    try:
        if found := _in_another_form(source, manual_dir):
            return found
        files = _files_of_environment(source) if manual_dir is None else _files_in(source, manual_dir)
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if files is not None:
        verify(source, files)
    return files


def _in_another_form(source: Source, manual_dir: str | None) -> dict[str, Path] | None:
    folder = _collected(source) if manual_dir is None else Path(os.path.expanduser(manual_dir))
    if source.find is None or folder is None or not folder.is_dir():
        return None
    if all((folder / name).is_file() for name in source.checksums):
        return None
    return source.find(folder)


def _collected(source: Source) -> Path | None:
    """The folder `$RNN_JAX_DATA/<name>`."""
    collection = os.environ.get("RNN_JAX_DATA")
    return Path(os.path.expanduser(collection)) / source.name if collection else None


def _files_in(source: Source, manual_dir: str) -> dict[str, Path]:
    folder = Path(os.path.expanduser(manual_dir))
    said = f"dataset.manual_dir = {manual_dir}"
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "no such folder"
        raise UserError(f"{said}: {problem}; {source.name} needs one that holds {source.file_names}")
    files = {name: folder / name for name in source.checksums}
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        raise UserError(f"{said}: has no {', '.join(missing)}; {source.name} needs all files as published")
    return files


def _files_of_environment(source: Source) -> dict[str, Path] | None:
    folder = _collected(source)
    if folder is None:
        return None
    files = {name: folder / name for name in source.checksums}
    return files if all(path.is_file() for path in files.values()) else None


def verify(source: Source, files: dict[str, Path]) -> None:
    """Checks the files against their checksums.

    Raises:
        UserError: a file cannot be read, or is not the original one. It says what is wrong as far as that can
            be seen from the file: that it is truncated, say, or another one of the set.
    """
    digests = {name: checksum(path) for name, path in files.items()}
    wrong = [name for name, digest in digests.items() if digest != source.checksums[name]]
    if not wrong:
        return
    names = {digest: name for name, digest in source.checksums.items()}
    for name in wrong:
        if digests[name] in names:
            raise UserError(f"{files[name]}: wrong name: this is the file {names[digests[name]]}")
    source.read(files)  # raises for a file that is visibly broken
    name = wrong[0]
    raise UserError(
        f"{files[name]}: not the original file of {source.name} (SHA-256 {digests[name]},\n"
        f"should be {source.checksums[name]}); get it from {source.url}{name}"
    )


def checksum(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; raises UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
