"""The original files of a published data set: their location, download and verification.

Without a network, the download fails within seconds: TFDS's own retries for minutes, with pages of warnings.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from rnn_jax.datasets.dataset import Splits
from rnn_jax.datasets.safe_reading import sha256
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path

if TYPE_CHECKING:
    import requests

# The lookup of a host name has no timeout of its own, and each address of a host is tried in turn.
CONNECT_SECONDS = 6.0
_READ_SECONDS = 10.0
_BLOCK_BYTES = 1 << 20
_MAX_BYTES = 1 << 30  # twelve times the largest file

_logger = logging.getLogger(__name__)


class Feature(NamedTuple):
    """Shape, without the axis of examples, and type of an array of a data set."""

    shape: tuple[int | None, ...]  # None, for the first axis only: of any length
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
    url: str  # of the folder of the files, with a final slash
    checksums: dict[str, str]  # SHA-256 of each file by name, in hexadecimal
    features: dict[str, Feature]
    read: Callable[[dict[str, Path]], Splits]
    """(files by name) -> arrays with these features, lists for ragged ones; raises UserError if invalid."""
    find: Callable[[Path], dict[str, Path] | None] | None = None
    """(folder) -> files in another form than published, or None; raises UserError if not the original."""


def locate(source: Source, manual_dir: str | None) -> dict[str, Path] | None:
    """Find the original files in `manual_dir`, or by default in `$RNN_JAX_DATA/<name>`, and verify them.

    Returns the path of each file by name; None if there are none in the default folder. Raises UserError if
    `manual_dir` is not a folder or lacks a file, or a file is not the original.
    """
    collection = os.environ.get("RNN_JAX_DATA")
    if manual_dir is None and not collection:
        return None
    folder = user_path(manual_dir or f"{collection}/{source.name}", "dataset.manual_dir")
    files = {name: folder / name for name in source.checksums}
    try:
        missing = [name for name, path in files.items() if not path.is_file()]
        if missing and source.find and folder.is_dir() and (found := source.find(folder)):
            return found
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if not missing:
        _verify(source, files)
        return files
    if manual_dir is None:
        return None
    problem = f"has no {', '.join(missing)}"
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "no such folder"
    needed = ", ".join(source.checksums)
    raise UserError(f"dataset.manual_dir = {manual_dir}: {problem}: must have {needed}")


def _verify(source: Source, files: dict[str, Path]) -> None:
    """Raise UserError for a file that is not the original, with what is visibly wrong, such as truncation."""
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
    expected = f"must be {source.checksums[name]}; get it from {source.url}{name}"
    problem = f"not the original file of {source.name}: SHA-256 {digests[name]}"
    raise UserError(f"{files[name]}: {problem},\n{expected}")


def fetch(source: Source, folder: Path) -> dict[str, Path]:
    """Download missing files into `folder`, verify all, and return their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / name for name in source.checksums}
    for name, path in files.items():
        if not (path.is_file() and sha256(path) == source.checksums[name]):
            _logger.info("downloading %s", source.url + name)
            _download(source, name, path)
    return files


def _download(source: Source, name: str, path: Path) -> None:
    import requests

    url = source.url + name
    partial = path.with_name(path.name + ".partial")
    digest = hashlib.sha256()
    try:
        with _connect(url) as response, partial.open("wb") as file:
            if response.status_code != requests.codes.ok:
                raise _unavailable(source, f"{url}: status {response.status_code} {response.reason}")
            for block in response.iter_content(_BLOCK_BYTES):
                if file.tell() > _MAX_BYTES:
                    raise _unavailable(source, f"{url} is not the original file (over {_MAX_BYTES:,} bytes)")
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != source.checksums[name]:
            raise _unavailable(source, f"{url} is not the original file (SHA-256 {digest.hexdigest()})")
        partial.replace(path)
    except (requests.RequestException, TimeoutError) as error:
        is_timeout = isinstance(error, TimeoutError | requests.Timeout)
        problem = "does not respond" if is_timeout else "cannot be reached"
        raise _unavailable(source, f"{urlsplit(url).hostname} {problem}") from error
    finally:
        partial.unlink(missing_ok=True)


def _connect(url: str) -> "requests.Response":
    """Open the URL; raise requests.RequestException, or TimeoutError after CONNECT_SECONDS."""
    import requests

    connection: Future[requests.Response] = Future()

    def connect() -> None:
        try:
            # As stored: a server may otherwise decompress a gzip file on the way.
            headers = {"Accept-Encoding": "identity"}
            connection.set_result(requests.get(url, stream=True, timeout=_READ_SECONDS, headers=headers))
        except requests.RequestException as error:
            connection.set_exception(error)

    threading.Thread(target=connect, daemon=True).start()
    return connection.result(timeout=CONNECT_SECONDS)


def _unavailable(source: Source, problem: str) -> UserError:
    remedy = f"Put {', '.join(source.checksums)} into a folder and set dataset.manual_dir to it"
    missing = f"no prepared data, no original files, and no download: {problem}"
    return UserError(f"{source.name}: {missing}\n{remedy}, or use configs/digits.py, which needs no files")
