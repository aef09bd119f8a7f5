"""A small server on this machine's own address, for the page and what it asks.

    GET  /          the page; its style and its scripts by their names
    GET  /model     what `Answers.describe` says
    POST /read      a drawing, one byte a pixel, row after row; what `Answers.answer` says

Any page in any browser here can send requests to it, so it answers only to its own: by the Host header, which
a page of another name that leads here cannot choose (DNS rebinding), and by the Origin header. It refuses in
JSON, `{"error": "..."}`. Nothing but the files of the page is ever read from the disk.
"""

import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

import numpy as np

from rnn_jax.drawing.answers import Answers, Stopped
from rnn_jax.runtime.errors import UserError

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/pen.js": ("pen.js", "text/javascript; charset=utf-8"),
    "/maps.js": ("maps.js", "text/javascript; charset=utf-8"),
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
SILENCE_SECONDS = 10.0
"""After so long without a word a client is given up."""


class Server(ThreadingMixIn, TCPServer):
    """Listens from the beginning; who comes before `serve` waits."""

    # Not `HTTPServer`, which asks a name server who it is.
    allow_reuse_address = True
    daemon_threads = True  # a browser keeps connections open that it asks nothing on

    def __init__(self, port: int) -> None:
        """Listens at a port; 0: any that is free.

        Raises:
            UserError: it is taken, or not for everybody.
        """
        self.answers: Answers | None = None
        folder = Path(__file__).parent
        self.files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"--port={port}: {reason}; without it, a free one is taken") from error

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def serve(self, answers: Answers) -> None:
        """Answers to requests until an exception, or `shutdown`, ends it."""
        self.answers = answers
        self.serve_forever()

    def finish(self) -> None:
        """After `serve`: waits for the answer that is being computed, and lets none begin."""
        if self.answers is not None:
            self.answers.stop()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Passes over clients that went away; anything else is a bug, and keeps its traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Refused(Exception):
    """A request that is not answered to, and why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers to one request; its connection is then closed."""

    server_version, sys_version = "rnn_jax", ""
    timeout = SILENCE_SECONDS

    def do_GET(self) -> None:
        """The page, and what it needs to know beforehand."""
        self._reply(self._got)

    def do_POST(self) -> None:
        """What the network makes of a drawing."""
        self._reply(self._posted)

    def _got(self) -> tuple[bytes, str]:
        self._refuse_other_pages()
        if self.path == "/model":
            return _json(self._answers.describe()), JSON
        if self.path not in self._server.files:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        return self._server.files[self.path]

    def _posted(self) -> tuple[bytes, str]:
        self._refuse_other_pages()
        if self.path != "/read":
            raise Refused(HTTPStatus.NOT_FOUND, "nothing is answered to there")
        answers = self._answers
        ink = np.frombuffer(self._body(*answers.canvas), np.uint8).reshape(answers.canvas)
        try:
            return _json(answers.answer(ink)), JSON
        except Stopped as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the program is ending") from error

    @property
    def _server(self) -> Server:
        assert isinstance(self.server, Server)
        return self.server

    @property
    def _answers(self) -> Answers:
        assert self._server.answers is not None
        return self._server.answers

    def _refuse_other_pages(self) -> None:
        own = [f"{name}{port}" for name in NAMES for port in ("", f":{self._server.port}")]
        if self.headers.get("Host", "").lower() not in own:
            raise Refused(HTTPStatus.FORBIDDEN, "asked under another name than this machine's own")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in [f"http://{name}" for name in own]:
            raise Refused(HTTPStatus.FORBIDDEN, "asked by another page")

    def _body(self, height: int, width: int) -> bytes:
        length, expected = self.headers.get("Content-Length", ""), height * width
        if not (length.isascii() and length.isdigit()):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "the body's length must be given")
        if len(length) > 12 or int(length) > expected:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"larger than {expected:,} bytes")
        body = self.rfile.read(int(length))
        if len(body) != expected:
            raise Refused(HTTPStatus.BAD_REQUEST, f"a drawing is {height} × {width} bytes, one a pixel")
        return body

    def _reply(self, content: Any) -> None:
        try:
            body, kind = content()
        except Refused as error:
            self.send_error(error.status, str(error))
        except OSError:
            raise
        except Exception:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug; the terminal says which")
            raise
        else:
            self._send(HTTPStatus.OK, body, kind)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuses in JSON what Python's own server would in HTML."""
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
        """Says nothing: the terminal is for people."""


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
