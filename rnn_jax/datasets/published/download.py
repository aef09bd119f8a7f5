"""Download of original files, which fails within seconds if there is no network.

TFDS's own downloader retries for minutes and prints pages of warnings.
"""

import hashlib
import logging
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rnn_jax.datasets.published.sources import Source
from rnn_jax.datasets.safe_reading import sha256
from rnn_jax.runtime.errors import UserError

if TYPE_CHECKING:
    import requests

# The lookup of a host name has no timeout of its own, and each address of a host is tried in turn.
CONNECT_SECONDS = 6.0
_READ_SECONDS = 10.0
_BLOCK_BYTES = 1 << 20
_MAX_BYTES = 1 << 30  # twelve times the largest file

_logger = logging.getLogger(__name__)


def fetch(source: Source, folder: Path) -> dict[str, Path]:
    """Download missing files into `folder`, and verify all of them.

    Returns:
        The path of each file by name.

    Raises:
        UserError: a file cannot be downloaded, or is not the original.
        OSError: `folder` cannot be written.
    """
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

    results: queue.SimpleQueue[requests.Response | requests.RequestException] = queue.SimpleQueue()

    def connect() -> None:
        try:
            # As stored: a server may otherwise decompress a gzip file on the way.
            headers = {"Accept-Encoding": "identity"}
            results.put(requests.get(url, stream=True, timeout=_READ_SECONDS, headers=headers))
        except requests.RequestException as error:
            results.put(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        result = results.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, Exception):
        raise result
    return result


def _unavailable(source: Source, problem: str) -> UserError:
    return UserError(
        f"{source.name}: no prepared data, no original files, and no download: {problem}\n"
        f"Put {source.file_names} into a folder and set dataset.manual_dir to it, "
        f"or use configs/digits.py, which needs no files"
    )
