"""Downloads, from a server on this machine."""

import functools
import http.server
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from idx_files import Tiny, assert_splits, images_name, labels_name, load, loader_of

from rnn_jax.datasets.published import sources
from rnn_jax.runtime.errors import UserError


class Server(NamedTuple):
    """A server of the files in a folder, and the paths that it was asked for."""

    url: str
    folder: Path
    asked: list[str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    ) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"http://127.0.0.1:{running.server_port}/", folder, asked)
        running.shutdown()
        thread.join()


def test_missing_files_are_downloaded(tiny: Tiny, server: Server, tmp_path: Path) -> None:
    shutil.copytree(tiny.folder, server.folder, dirs_exist_ok=True)
    data_dir = tmp_path / "data"
    downloads = data_dir / "downloads" / "rnn_jax_tiny"
    downloads.mkdir(parents=True)
    shutil.copy(tiny.folder / images_name("train"), downloads)  # of an earlier download
    (downloads / labels_name("train")).write_bytes(b"broken")
    loader = loader_of(tiny.folder, server.url)
    assert_splits(load(loader, str(data_dir), None), tiny.contents)
    asked = {f"/{name}" for name in (labels_name("train"), images_name("test"), labels_name("test"))}
    assert (set(server.asked), len(server.asked)) == (asked, 3)
    load(loader, str(data_dir), None)
    assert len(server.asked) == 3


def message_of(tiny: Tiny, url: str, data_dir: Path) -> str:
    with pytest.raises(UserError) as raised:
        load(loader_of(tiny.folder, url), str(data_dir), None)
    assert not [path for path in data_dir.rglob("*") if path.is_file() and path.stat().st_size]
    assert str(raised.value).count("\n") == 1
    return str(raised.value)


def test_server_without_the_file(tiny: Tiny, server: Server, tmp_path: Path) -> None:
    message = message_of(tiny, server.url, tmp_path / "data")
    assert f"{server.url}{images_name('test')}: status 404 File not found" in message
    assert "dataset.manual_dir" in message


def test_server_with_another_file(tiny: Tiny, server: Server, tmp_path: Path) -> None:
    (server.folder / images_name("test")).write_text("Please log in to this network first.")
    assert f"{images_name('test')} is not the original file" in message_of(
        tiny, server.url, tmp_path / "data"
    )


def test_server_that_does_not_answer(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        message = message_of(tiny, f"http://127.0.0.1:{silent.getsockname()[1]}/", tmp_path / "data")
        assert time.monotonic() - started < 5
    assert "127.0.0.1 does not respond" in message


def test_a_command_without_network_ends_within_ten_seconds() -> None:
    assert sources.CONNECT_SECONDS <= 7  # the rest is for the imports
