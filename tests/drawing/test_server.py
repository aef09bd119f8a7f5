"""The server of the drawing page: the requests it serves and rejects."""

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
from rnn_jax.drawing.predictor import DrawingPredictor
from rnn_jax.drawing.server import Server
from rnn_jax.inference.image_reading import ImageReader, Reading
from rnn_jax.runtime.errors import UserError

ROOT = Path(__file__).parents[2]
SPEC = {"kind": "image", "height": 28, "width": 28, "classes": 3, "maximum": 255}
SIDE = 280
INK = np.zeros((SIDE, SIDE), np.uint8)
INK[40:200, 130:150] = 255


class Fake:
    """Predicts the number of columns with ink, modulo 3."""

    pixels = np.arange(28 * 28).reshape(28, 28)

    def __init__(self) -> None:
        self.seconds, self.running, self.most_running = 0.0, 0, 0

    def read(self, image: np.ndarray) -> Reading:
        assert (image.shape, image.dtype) == ((28, 28), np.uint8)
        if image[0].any():
            raise ValueError("ink in the first row")
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        time.sleep(self.seconds)
        self.running -= 1
        probabilities = np.eye(3, dtype=np.float32)[int(image.any(axis=0).sum()) % 3]
        return Reading(np.tile(probabilities, (28, 1)), np.full((28, 5), -0.25, np.float32))


@contextmanager
def running(reader: Fake) -> Iterator[Server]:
    known = DatasetInfo("mnist", SPEC, ("<b>", "one", "two"), "dark", None)
    with Server(0) as server:
        predictor = DrawingPredictor(cast(ImageReader, reader), known, "a fake", bidirectional=False)
        thread = threading.Thread(target=server.serve, args=(predictor,))
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


def request(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any, http.client.HTTPMessage]:
    """The status, the body (parsed if it is JSON) and the headers of a response."""
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


def send(server: Server, message: bytes) -> bytes:
    """The response to raw bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def test_the_page_is_served_with_its_files(server: Server) -> None:
    for path, (name, kind) in serving.PAGE.items():
        status, body, headers = request(server, "GET", path)
        assert (status, headers["Content-Type"]) == (200, kind)
        assert body == (Path(drawing.__file__).parent / name).read_bytes()
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in headers["Server"]


def test_the_package_contains_the_page() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    files = {path.name for path in Path(drawing.__file__).parent.iterdir() if path.is_file()}
    assets = {name for name in files if not name.endswith(".py")}
    assert assets == {name for name, _ in serving.PAGE.values()}
    for name in assets:
        assert any(fnmatch(name, pattern) for pattern in patterns["rnn_jax.drawing"])


def test_a_drawing_is_predicted(server: Server) -> None:
    status, model, _ = request(server, "GET", "/model")
    assert status == 200
    assert model["classes"] == ["<b>", "one", "two"]
    assert model["canvas"] == {"height": SIDE, "width": SIDE}
    assert model["image"] == {"height": 28, "width": 28, "maximum": 255}
    assert np.shape(model["pixels"]) == (28, 28)
    status, response, _ = request(server, "POST", "/predict", INK.tobytes())
    assert status == 200
    image = np.array(response["image"])
    assert image.shape == (28, 28)
    assert np.ptp(np.flatnonzero(image.any(axis=1))) + 1 == 20
    np.testing.assert_array_equal(
        response["probabilities"], np.tile(np.eye(3)[image.any(axis=0).sum() % 3], (28, 1))
    )
    np.testing.assert_array_equal(response["states"], np.full((28, 5), -0.25))
    status, response, _ = request(server, "POST", "/predict", bytes(SIDE * SIDE))
    assert (status, response) == (200, {"image": None})


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost"])
def test_its_own_names_are_accepted(server: Server, name: str) -> None:
    for host in (name, f"{name}:{server.port}"):
        origin = f"http://{host}".lower()
        assert request(server, "GET", "/", Host=host)[0] == 200
        assert request(server, "POST", "/predict", INK.tobytes(), Host=host, Origin=origin)[0] == 200


def test_other_hosts_and_origins_are_rejected(server: Server) -> None:
    port = server.port
    hosts = ("evil.example", f"evil.example:{port}", "127.0.0.1:1", f"127.0.0.1.evil.example:{port}", "")
    for host in hosts:
        for method, path, body in (("GET", "/", None), ("GET", "/model", None), ("POST", "/predict", b"")):
            status, response, _ = request(server, method, path, body, Host=host)
            assert status == 403, host
            assert response["error"] == "the Host header is not this server's"
    assert b" 403 " in send(server, b"GET / HTTP/1.0\r\n\r\n")
    origins = ("http://evil.example", "null", f"https://127.0.0.1:{port}", "http://127.0.0.1:1", "")
    for origin in origins:
        status, response, _ = request(server, "POST", "/predict", INK.tobytes(), Origin=origin)
        assert status == 403, origin
        assert response["error"] == "the Origin header is not this server's"


@pytest.mark.parametrize(
    "path",
    ["/page.html", "/server.py", "/../server.py", "/..%2fserver.py", "/predict", "/etc/passwd", "/?a"],
)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    status, response, _ = request(server, "GET", path)
    assert (status, response) == (404, {"error": "not found"})


def test_wrong_bodies_are_rejected(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    size = SIDE * SIDE
    for body in (b"", b"{}", INK.tobytes()[:-1]):
        status, response, _ = request(server, "POST", "/predict", body)
        assert (status, response["error"]) == (400, "a drawing must be 280 × 280 bytes")
    for length in (size + 1, 10**9, 10**30):
        response = send(
            server, f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        assert b" 413 " in response.partition(b"\r\n")[0]
        assert response.endswith(b'{"error":"more than 78,400 bytes"}')
    for header in ("Content-Length: -1", "Content-Length: ²", "Transfer-Encoding: chunked", "A: b"):
        response = send(
            server, f"POST /predict HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode("latin-1")
        )
        assert b" 411 " in response.partition(b"\r\n")[0]
    # A truncated body.
    response = send(
        server, f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n123".encode()
    )
    assert b" 400 " in response.partition(b"\r\n")[0]
    assert request(server, "POST", "/elsewhere", INK.tobytes())[0] == 404
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "message",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT / HTTP/1.0\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"\x16\x03\x01\x00",
    ],
)
def test_malformed_requests_are_rejected_in_json(
    server: Server, message: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    response = send(server, message)
    assert json.loads(response.rpartition(b"\r\n\r\n")[2] or response)["error"]
    assert request(server, "GET", "/")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_clients_that_disconnect_or_idle_block_no_other(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)):
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIDE * SIDE}\r\n\r\n"
            leaving.sendall(head.encode() + INK.tobytes())
        begun = time.monotonic()
        assert request(server, "POST", "/predict", INK.tobytes())[0] == 200
        assert time.monotonic() - begun < serving.IDLE_SECONDS / 2
    assert capsys.readouterr() == ("", "")


def test_drawings_are_predicted_one_at_a_time_and_none_after_finish() -> None:
    reader, found = Fake(), list[int]()
    reader.seconds = 0.03
    with running(reader) as server:

        def draw() -> None:
            found.append(request(server, "POST", "/predict", INK.tobytes())[0])

        threads = [threading.Thread(target=draw) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [200] * 6
        assert reader.most_running == 1
        server.finish()
        status, response, _ = request(server, "POST", "/predict", INK.tobytes())
        assert (status, response) == (503, {"error": "the server is shutting down"})


def test_a_bug_is_reported_to_the_page_and_keeps_its_traceback(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_jax.drawing.preprocessing.to_image", lambda *_: np.full((28, 28), 9, np.uint8))
    status, response, _ = request(server, "POST", "/predict", INK.tobytes())
    assert (status, response) == (500, {"error": "internal error; see the terminal"})
    printed, until = "", time.monotonic() + 10
    while "ValueError: ink in the first row" not in printed and time.monotonic() < until:
        printed += capsys.readouterr().err
        time.sleep(0.01)
    assert printed.count("Traceback") == 1


def test_it_listens_on_the_loopback_address_and_reports_a_taken_port(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(UserError, match=rf"--port={server.port}: Address already in use; omit it"):
        Server(server.port)
