"""Downloads the original files of a data set, and gives up soon where there is no network.

The downloader of TensorFlow Datasets retries for minutes and prints pages of warnings meanwhile.
"""

import hashlib
import logging
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rnn_jax.datasets.published.sources import Source, checksum
from rnn_jax.runtime.errors import UserError

if TYPE_CHECKING:
    import requests

# Looking up a host name has no time-out of its own, and a host with several addresses is tried at each.
CONTACT_SECONDS = 6.0
_SILENCE_SECONDS = 10.0
_BLOCK_BYTES = 1 << 20
_MOST_BYTES = 1 << 30  # the largest of them has a twelfth of it

_logger = logging.getLogger(__name__)


def fetch(source: Source, folder: Path) -> dict[str, Path]:
    """Downloads into `folder` the files that are not there yet, and verifies all of them.

    Returns:
        The path of each file, by its name.

    Raises:
        UserError: a file could not be had, or was not the original one.
        OSError: `folder` could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / name for name in source.checksums}
    for name, path in files.items():
        if not (path.is_file() and checksum(path) == source.checksums[name]):
            _logger.info("downloading %s", source.url + name)
            _download(source, name, path)
    return files


def _download(source: Source, name: str, path: Path) -> None:
    import requests

    url = source.url + name
    partial = path.with_name(path.name + ".partial")
    digest = hashlib.sha256()
    try:
        with _contact(url) as response, partial.open("wb") as file:
            if response.status_code != requests.codes.ok:
                raise _unavailable(source, f"{url} answers {response.status_code} {response.reason}")
            for block in response.iter_content(_BLOCK_BYTES):
                if file.tell() > _MOST_BYTES:
                    raise _unavailable(source, f"{url} is not the original file (over {_MOST_BYTES:,} bytes)")
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != source.checksums[name]:
            raise _unavailable(source, f"{url} is not the original file (SHA-256 {digest.hexdigest()})")
        partial.replace(path)
    except (requests.RequestException, TimeoutError) as error:
        problem = "does not answer" if _is_timeout(error) else "cannot be reached"
        raise _unavailable(source, f"{urlsplit(url).hostname} {problem}") from error
    finally:
        partial.unlink(missing_ok=True)


def _contact(url: str) -> "requests.Response":
    """Opens the URL; raises requests.RequestException, or TimeoutError after CONTACT_SECONDS."""
    import requests

    answers: queue.SimpleQueue[requests.Response | requests.RequestException] = queue.SimpleQueue()

    def ask() -> None:
        try:
            # As it is stored: a server may otherwise unpack a gzip file on the way.
            headers = {"Accept-Encoding": "identity"}
            answers.put(requests.get(url, stream=True, timeout=_SILENCE_SECONDS, headers=headers))
        except requests.RequestException as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=CONTACT_SECONDS)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _is_timeout(error: Exception) -> bool:
    import requests

    return isinstance(error, TimeoutError | requests.Timeout)


def _unavailable(source: Source, problem: str) -> UserError:
    return UserError(
        f"{source.name}: no prepared data, no files, and no download: {problem}\n"
        f"Put {source.file_names} into a folder and name it by dataset.manual_dir, "
        f"or use configs/digits.py, which needs none"
    )
