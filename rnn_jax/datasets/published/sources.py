"""The original files of a published data set: their location and verification."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets.dataset import Splits
from rnn_jax.datasets.safe_reading import sha256
from rnn_jax.runtime.errors import UserError


class Feature(NamedTuple):
    """Shape, without the axis of examples, and type of an array of a data set."""

    shape: tuple[int | None, ...]
    """None, for the first axis only: of any length."""
    dtype: type[np.generic]

    @property
    def is_ragged(self) -> bool:
        """Whether examples have different lengths."""
        return None in self.shape


class Source(NamedTuple):
    """A data set as its authors published it. Change `version` with `read` or `checksums`."""

    name: str
    version: str
    description: str
    url: str
    """Of the folder of the files, with a final slash."""
    checksums: dict[str, str]
    """SHA-256 of each file by name, in hexadecimal."""
    features: dict[str, Feature]
    read: Callable[[dict[str, Path]], Splits]
    """(files by name) -> arrays with these features, lists for ragged ones. Raises UserError for an invalid
    file."""
    find: Callable[[Path], dict[str, Path] | None] | None = None
    """(folder) -> files in another form than published, or None. Raises UserError if they are not the
    original."""

    @property
    def file_names(self) -> str:
        """The names of the files, for display."""
        return ", ".join(self.checksums)


def locate(source: Source, manual_dir: str | None) -> dict[str, Path] | None:
    """Find the original files in `manual_dir`, or by default in `$RNN_JAX_DATA/<name>`, and verify them.

    Returns:
        The path of each file by name; None if there are none in the default folder.

    Raises:
        UserError: `manual_dir` is not a folder or lacks a file, or a file is not the original.
    """
    collection = os.environ.get("RNN_JAX_DATA")
    if manual_dir is None and not collection:
        return None
    folder = Path(manual_dir or f"{collection}/{source.name}").expanduser()
    files = {name: folder / name for name in source.checksums}
    try:
        missing = [name for name, path in files.items() if not path.is_file()]
        if missing and source.find and folder.is_dir() and (found := source.find(folder)):
            return found
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if not missing:
        verify(source, files)
        return files
    if manual_dir is None:
        return None
    problem = f"has no {', '.join(missing)}"
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "no such folder"
    raise UserError(f"dataset.manual_dir = {manual_dir}: {problem}: must have {source.file_names}")


def verify(source: Source, files: dict[str, Path]) -> None:
    """Verify the checksums of all files.

    Raises:
        UserError: a file is not the original. The message names what is visibly wrong, such as a truncated
            file or another file of the set.
    """
    digests = {name: sha256(path) for name, path in files.items()}
    wrong = [name for name, digest in digests.items() if digest != source.checksums[name]]
    if not wrong:
        return
    names = {digest: name for name, digest in source.checksums.items()}
    for name in wrong:
        if digests[name] in names:
            raise UserError(f"{files[name]}: wrong name: this is the file {names[digests[name]]}")
    source.read(files)  # raises for a file that is visibly invalid
    name = wrong[0]
    raise UserError(
        f"{files[name]}: not the original file of {source.name}: SHA-256 {digests[name]},\n"
        f"must be {source.checksums[name]}; get it from {source.url}{name}"
    )
