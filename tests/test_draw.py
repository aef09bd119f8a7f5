"""The command that serves the drawing page: rejected input and shutdown."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trained import DIGITS, train_once

from rnn_jax import draw
from rnn_jax.config.command_line import load_config
from rnn_jax.config.run_folder import open_run
from rnn_jax.config.schema import validate
from rnn_jax.drawing.server import IDLE_SECONDS

ROOT = Path(__file__).parents[1]
SIDE = 280


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_once(tmp_path_factory, "digits", *DIGITS)


def run_draw(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    status = draw.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


# Rejected input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--workdir"]),
        (["--workdir="], ["--workdir=DIR"]),
        (["--workdir", "a", "--prt", "1"], ["--prt", "did you mean --port?"]),
        (["--workdir", "a", "--port", "65536"], ["--port", "'65536' must be a number from 0 to 65,535"]),
        (["--workdir", "a", "--port", "-1"], ["--port", "must be a number"]),
        (["--workdir", "a", "--port", "http"], ["--port", "must be a number"]),
        (["--workdir", "a", "--checkpoint", "newest"], ["--checkpoint", "best", "latest"]),
        (["--workdir", "a", "seven.png"], ["seven.png", "no such flag"]),
    ],
)
def test_wrong_flags_are_reported(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run_draw(arguments, capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    for word in words:
        assert word in err


WITHOUT_JAX = """
import sys
from rnn_jax import draw
from rnn_jax.drawing.server import IDLE_SECONDS
print([draw.main(["--workdir", folder]) for folder in sys.argv[1:]])
assert not {"jax", "jaxlib", "flax"} & set(sys.modules)
"""


def test_runs_without_images_are_rejected_before_jax_starts(tmp_path: Path) -> None:
    for name, config in (("text", "configs/shakespeare.py"), ("adding", "configs/adding.py")):
        open_run(tmp_path / name, validate(load_config(config))[0])
    (tmp_path / "empty").mkdir()
    messages = {
        "gone": "not a run folder (no config.json)",
        "empty": "not a run folder (no config.json)",
        "text": "task.name = language_modelling: draw needs one of classification",
        "adding": "task.name = adding: draw needs one of classification",
    }
    folders = [str(tmp_path / name) for name in messages]
    command = [sys.executable, "-c", WITHOUT_JAX, *folders]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[2, 2, 2, 2]\n"
    assert ended.stderr == "".join(
        f"error: {folder}: {message}\n" for folder, message in zip(folders, messages.values(), strict=True)
    )


def test_a_taken_port_is_reported(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = run_draw(["--workdir", digits, "--port", port], capsys)
    assert (status, out) == (2, "")
    assert err == f"error: --port={port}: Address already in use; omit it to use a free port\n"


def test_damaged_runs_are_reported(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_bytes((digits / "config.json").read_bytes())
    status, _, err = run_draw(["--workdir", run], capsys)
    assert status == 2
    assert "dataset.json: missing; resume the run" in err
    (run / "dataset.json").write_bytes((digits / "dataset.json").read_bytes())
    status, out, err = run_draw(["--workdir", run], capsys)
    assert (status, out) == (4, "")
    assert err == f"error: {run}/checkpoints: no valid checkpoint\n"
    info = json.loads((digits / "dataset.json").read_text())
    info |= {"spec": {"kind": "numbers"}, "classes": []}
    (run / "dataset.json").write_text(json.dumps(info))
    status, _, err = run_draw(["--workdir", run], capsys)
    assert (status, err) == (2, f"error: {run}: dataset.json has data of kind 'numbers', must be 'image'\n")


# Shutdown --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def started(run: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command in its own process; yield the process and the port that it prints."""
    command = [sys.executable, "-m", "rnn_jax.draw", "--workdir", str(run), *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.endswith("/  ready; Ctrl-C stops it\n"), line
            assert line.startswith("http://127.0.0.1:")
            yield process, int(line.partition("1:")[2].partition("/")[0])
        finally:
            process.kill()


def post(port: int, body: bytes) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/predict", body)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_it_during_requests(digits: Path, number: signal.Signals, status: int) -> None:
    with started(digits) as (process, port):
        assert len(post(port, b"\xff" * SIDE * SIDE)["probabilities"]) == 8
        done = threading.Semaphore(0)

        def keep_posting() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                while True:
                    post(port, b"\xff" * SIDE * SIDE)
                    done.release()

        threads = [threading.Thread(target=keep_posting) for _ in range(4)]
        for thread in threads:
            thread.start()
        # Meanwhile one request stalls half way, and one connection sends nothing.
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        silent[0].sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 78400\r\n\r\nabc")
        for _ in range(12):
            assert done.acquire(timeout=20)
        process.send_signal(number)
        out, err = process.communicate(timeout=IDLE_SECONDS - 2)  # without waiting for those
        for thread in threads:
            thread.join()
        for connection in silent:
            connection.close()
        assert (process.returncode, out, err) == (status, "", "")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_given_port_is_used_and_released(digits: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        with started(digits, "--port", str(port), "--checkpoint", "latest") as (process, found):
            assert found == port
            assert post(port, bytes(SIDE * SIDE)) == {"image": None}
            process.terminate()
            assert process.wait(timeout=20) == 143
