"""A tiny data set, and an environment in which nothing outside a test's own folder can be written."""

import socket
import tempfile
from pathlib import Path

import pytest
from idx_files import Tiny, loader_of, write_files


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))  # TFDS leaves an empty folder there
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "default"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("RNN_JAX_DATA", raising=False)


@pytest.fixture
def closed_url() -> str:
    """A URL on this machine where nobody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.fixture
def tiny(tmp_path: Path, closed_url: str) -> Tiny:
    """A data set whose files lie in `tmp_path/original`, and which cannot be downloaded."""
    folder = tmp_path / "original"
    contents = write_files(folder)
    return Tiny(loader_of(folder, closed_url), folder, contents)
