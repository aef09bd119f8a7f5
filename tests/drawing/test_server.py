"""The server of the page: what it answers to, and what it refuses."""

import http.client
import json
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from rnn_jax import drawing
from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.drawing import server as serving
from rnn_jax.drawing.answers import Answers, Stopped
from rnn_jax.drawing.server import Server
from rnn_jax.inference.image_reading import Reader, Reading
from rnn_jax.runtime.errors import UserError

ROOT = Path(__file__).parents[2]
SPEC = {"kind": "image", "height": 28, "width": 28, "classes": 3, "maximum": 255}
SIDE = 280
INK = np.zeros((SIDE, SIDE), np.uint8)
INK[40:200, 130:150] = 255


class Fake:
    """Believes in the class whose number is how many columns have ink, modulo 3."""

    pixels = np.arange(28 * 28).reshape(28, 28)

    def __init__(self) -> None:
        self.seconds, self.under_way, self.most = 0.0, 0, 0

    def read(self, image: np.ndarray) -> Reading:
        assert (image.shape, image.dtype) == ((28, 28), np.uint8)
        if image[0].any():
            raise ValueError("ink in the first row")
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        time.sleep(self.seconds)
        self.under_way -= 1
        share = np.eye(3, dtype=np.float32)[int(image.any(axis=0).sum()) % 3]
        return Reading(np.tile(share, (28, 1)), np.full((28, 5), -0.25, np.float32))


@contextmanager
def running(reader: Fake) -> Iterator[Server]:
    known = DatasetInfo("mnist", SPEC, ("<b>", "one", "two"), "dark", None)
    with Server(0) as server:
        answers = Answers(cast(Reader, reader), known, "a fake", bidirectional=False)
        thread = threading.Thread(target=server.serve, args=(answers,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.finish()
            thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(Fake()) as server:
        yield server


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any, http.client.HTTPMessage]:
    """The status, the body (read as JSON where it is) and the headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        response = connection.getresponse()
        content = response.read()
        is_json = response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(content) if is_json else content, response.headers
    finally:
        connection.close()


def say(server: Server, words: bytes) -> bytes:
    """What is answered to bytes as they are."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def test_the_page_is_served_with_what_it_loads(server: Server) -> None:
    for path, (name, kind) in serving.PAGE.items():
        status, body, headers = ask(server, "GET", path)
        assert (status, headers["Content-Type"]) == (200, kind)
        assert body == (Path(drawing.__file__).parent / name).read_bytes()
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in headers["Server"]


def test_an_installed_package_has_the_page() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    files = {path.name for path in Path(drawing.__file__).parent.iterdir() if path.is_file()}
    assets = {name for name in files if not name.endswith(".py")}
    assert assets == {name for name, _ in serving.PAGE.values()}
    for name in assets:
        assert any(fnmatch(name, pattern) for pattern in patterns["rnn_jax.drawing"])


def test_a_drawing_is_answered(server: Server) -> None:
    status, model, _ = ask(server, "GET", "/model")
    assert status == 200
    assert model["classes"] == ["<b>", "one", "two"]
    assert model["canvas"] == {"height": SIDE, "width": SIDE}
    assert model["image"] == {"height": 28, "width": 28, "maximum": 255}
    assert np.shape(model["pixels"]) == (28, 28)
    status, answer, _ = ask(server, "POST", "/read", INK.tobytes())
    assert status == 200
    image = np.array(answer["image"])
    assert image.shape == (28, 28)
    assert np.ptp(np.flatnonzero(image.any(axis=1))) + 1 == 20
    np.testing.assert_array_equal(
        answer["probabilities"], np.tile(np.eye(3)[image.any(axis=0).sum() % 3], (28, 1))
    )
    np.testing.assert_array_equal(answer["states"], np.full((28, 5), -0.25))
    status, answer, _ = ask(server, "POST", "/read", bytes(SIDE * SIDE))
    assert (status, answer) == (200, {"image": None})


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost"])
def test_its_own_names(server: Server, name: str) -> None:
    for host in (name, f"{name}:{server.port}"):
        origin = f"http://{host}".lower()
        assert ask(server, "GET", "/", Host=host)[0] == 200
        assert ask(server, "POST", "/read", INK.tobytes(), Host=host, Origin=origin)[0] == 200


def test_other_names_and_pages_are_refused(server: Server) -> None:
    port = server.port
    hosts = ("evil.example", f"evil.example:{port}", "127.0.0.1:1", f"127.0.0.1.evil.example:{port}", "")
    for host in hosts:
        for method, path, body in (("GET", "/", None), ("GET", "/model", None), ("POST", "/read", b"")):
            status, answer, _ = ask(server, method, path, body, Host=host)
            assert status == 403, host
            assert "another name" in answer["error"]
    assert b" 403 " in say(server, b"GET / HTTP/1.0\r\n\r\n")
    origins = ("http://evil.example", "null", f"https://127.0.0.1:{port}", "http://127.0.0.1:1", "")
    for origin in origins:
        status, answer, _ = ask(server, "POST", "/read", INK.tobytes(), Origin=origin)
        assert status == 403, origin
        assert answer["error"] == "asked by another page"


@pytest.mark.parametrize(
    "path",
    ["/page.html", "/server.py", "/../server.py", "/..%2fserver.py", "/read", "/etc/passwd", "/?a"],
)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    status, answer, _ = ask(server, "GET", path)
    assert (status, answer) == (404, {"error": "there is no such page"})


def test_wrong_bodies(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    size = SIDE * SIDE
    for body in (b"", b"{}", INK.tobytes()[:-1]):
        status, answer, _ = ask(server, "POST", "/read", body)
        assert (status, answer["error"]) == (400, "a drawing is 280 × 280 bytes, one a pixel")
    for length in (size + 1, 10**9, 10**30):
        answer = say(
            server, f"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        assert b" 413 " in answer.partition(b"\r\n")[0]
        assert answer.endswith(b'{"error":"larger than 78,400 bytes"}')
    for header in ("Content-Length: -1", "Content-Length: ²", "Transfer-Encoding: chunked", "A: b"):
        answer = say(server, f"POST /read HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode("latin-1"))
        assert b" 411 " in answer.partition(b"\r\n")[0]
    # Cut off on its way.
    answer = say(
        server, f"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n123".encode()
    )
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert ask(server, "POST", "/elsewhere", INK.tobytes())[0] == 404
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "words",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT / HTTP/1.0\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"\x16\x03\x01\x00",
    ],
)
def test_what_is_no_request_is_refused_in_json(
    server: Server, words: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = say(server, words)
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2] or answer)["error"]
    assert ask(server, "GET", "/")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_a_client_that_goes_away_or_says_nothing_keeps_no_other_waiting(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            head = f"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIDE * SIDE}\r\n\r\n"
            leaving.sendall(head.encode() + INK.tobytes())
        begun = time.monotonic()
        assert ask(server, "POST", "/read", INK.tobytes())[0] == 200
        assert time.monotonic() - begun < serving.SILENCE_SECONDS / 2
    assert capsys.readouterr() == ("", "")


def test_one_drawing_is_read_at_a_time_and_none_after_the_end() -> None:
    reader, found = Fake(), list[int]()
    reader.seconds = 0.03
    with running(reader) as server:

        def draw() -> None:
            found.append(ask(server, "POST", "/read", INK.tobytes())[0])

        threads = [threading.Thread(target=draw) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [200] * 6
        assert reader.most == 1
        server.finish()
        status, answer, _ = ask(server, "POST", "/read", INK.tobytes())
        assert (status, answer) == (503, {"error": "the program is ending"})
        assert server.answers is not None
        with pytest.raises(Stopped):
            server.answers.answer(INK)


def test_a_bug_is_told_to_the_page_and_keeps_its_traceback(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_jax.drawing.picture.as_image", lambda *_: np.full((28, 28), 9, np.uint8))
    status, answer, _ = ask(server, "POST", "/read", INK.tobytes())
    assert (status, answer) == (500, {"error": "a bug; the terminal says which"})
    said, until = "", time.monotonic() + 10
    while "ValueError: ink in the first row" not in said and time.monotonic() < until:
        said += capsys.readouterr().err
        time.sleep(0.01)
    assert said.count("Traceback") == 1


def test_only_this_machine_reaches_it_and_a_taken_port_is_told(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(UserError, match=rf"--port={server.port}: Address already in use; without it"):
        Server(server.port)
