"""A small HTTP server on the loopback address, for the drawing page and its predictions.

    GET  /          the page; its style sheet and scripts by their names
    GET  /model     `DrawingPredictor.describe`
    POST /predict   a drawing, one byte per pixel, row by row; `DrawingPredictor.predict`

Any web page in any browser on this machine can send requests here, so only the page's own are accepted: by
the Host header, which a foreign page cannot choose even if its name resolves to this address (DNS rebinding),
and by the Origin header. Errors are JSON, `{"error": "..."}`. Only the files of the page are ever read.
"""

import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.runtime.errors import UserError

if TYPE_CHECKING:
    from rnn_jax.drawing.predictor import DrawingPredictor

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in ("page.js", "pen.js", "maps.js")},
}
JSON = "application/json"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
IDLE_SECONDS = 10.0
"""Timeout of a client that sends nothing."""


class Server(ThreadingMixIn, TCPServer):
    """Listens from construction; requests before `serve` wait."""

    # Not `HTTPServer`, which looks its own name up in the DNS.
    allow_reuse_address = True
    daemon_threads = True  # a browser keeps idle connections open

    def __init__(self, port: int) -> None:
        """Listen at a port; 0: any free one. UserError if it is taken or privileged."""
        self.predictor: DrawingPredictor | None = None
        self._busy, self._finished = threading.Lock(), False
        folder = Path(__file__).parent
        self.files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"--port={port}: {reason}; omit it to use a free port") from error

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self.server_address[1])

    def serve(self, predictor: "DrawingPredictor") -> None:
        """Handle requests until an exception or `shutdown` ends it."""
        self.predictor = predictor
        self.serve_forever()

    def predict(self, ink: np.ndarray) -> dict[str, Any]:
        """Run the predictor, for one request at a time; RequestError after `finish`."""
        assert self.predictor is not None
        with self._busy:
            if self._finished:
                raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is shutting down")
            return self.predictor.predict(ink)

    def finish(self) -> None:
        """Wait for the running prediction and start no other: JAX aborts a process that exits during one."""
        with self._busy:
            self._finished = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnected; print the traceback of anything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class RequestError(Exception):
    """A request that is rejected: RequestError(HTTP status, reason)."""


class Handler(BaseHTTPRequestHandler):
    """Handles one request and closes the connection."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version, sys_version = "rnn_jax", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """Send a file of the page, the model's description, or the prediction for a drawing."""
        try:
            self._require_own_page()
            body, kind = self._content()
        except RequestError as error:
            self.send_error(*error.args)
        except OSError:
            raise
        except Exception:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the terminal")
            raise
        else:
            self._send(HTTPStatus.OK, body, kind)

    do_POST = do_GET

    def _content(self) -> tuple[bytes, str]:
        predictor = self.server.predictor
        assert predictor is not None
        match self.command, self.path:
            case "POST", "/predict":
                ink = np.frombuffer(self._body(*predictor.canvas), np.uint8).reshape(predictor.canvas)
                return _json(self.server.predict(ink)), JSON
            case "GET", "/model":
                return _json(predictor.describe()), JSON
            case "GET", path if path in self.server.files:
                return self.server.files[path]
        raise RequestError(HTTPStatus.NOT_FOUND, "not found")

    def _require_own_page(self) -> None:
        own = [f"{name}{port}" for name in NAMES for port in ("", f":{self.server.port}")]
        if self.headers.get("Host", "").lower() not in own:
            raise RequestError(HTTPStatus.FORBIDDEN, "the Host header is not this server's")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in [f"http://{name}" for name in own]:
            raise RequestError(HTTPStatus.FORBIDDEN, "the Origin header is not this server's")

    def _body(self, height: int, width: int) -> bytes:
        length, expected = self.headers.get("Content-Length", ""), height * width
        if not (length.isascii() and length.isdigit()):
            raise RequestError(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
        if len(length) > 12 or int(length) > expected:
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {expected:,} bytes")
        body = self.rfile.read(int(length))
        if len(body) != expected:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"a drawing must be {height} × {width} bytes")
        return body

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send an error as JSON, not as the standard library's HTML."""
        self._send(code, _json({"error": message or HTTPStatus(code).phrase}), JSON)

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: the terminal is for people."""


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
