"""Commands whose standard output lacks characters, is closed while they run, or is on a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINTING = """
import sys
from rnn_jax.runtime.command import run_command

def main(long_running):
    with run_command(long_running=long_running) as command:
        write()
        command.exit_status = 7
    return command.exit_status

def write():
    for number in range(20_000):
        print(number, "a line that is long enough to fill the pipe", flush=number % 2 == 0)
    print("done", file=sys.stderr)
"""
IGNORING = f"{PRINTING}\nsys.exit(main(True))"
EXITING = f"{PRINTING}\nsys.exit(main(False))"


def read_one_line(command: list[str]) -> tuple[int, str, str]:
    """Run `command | head -1` and return the command's exit status, the line and its standard error."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    return process.wait(timeout=100), line, errors


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_ignore_continues_silently() -> None:
    status, line, errors = read_one_line(python(IGNORING))
    assert (status, errors) == (7, "done\n")
    assert line.startswith("0 a line")


def test_exit_ends_with_0_at_once() -> None:
    status, _, errors = read_one_line(python(EXITING))
    assert (status, errors) == (0, "")


@pytest.mark.parametrize("program", [IGNORING, EXITING])
def test_standard_output_may_be_closed_from_the_start(program: str) -> None:
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *python(program)]
    done = subprocess.run(closed, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (7, "done\n")


def test_standard_error_may_be_closed_too() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    status = subprocess.run(
        python(IGNORING), cwd=ROOT, stdout=writing, stderr=writing, timeout=100
    ).returncode
    os.close(writing)
    assert status == 7


def test_help_into_a_closed_pipe_is_no_error() -> None:
    """The output is buffered, so the interpreter's own flush at exit would print an error."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reading, writing = os.pipe()
    os.close(reading)
    for command in ("rnn_jax.main", "rnn_jax.predict"):  # one of each kind of `run_command`
        done = subprocess.run(
            [sys.executable, "-m", command, "--help"],
            cwd=ROOT,
            env=buffered,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=100,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writing)


@pytest.mark.parametrize("program", [IGNORING, EXITING])
def test_a_full_disk_is_an_error_that_names_standard_output(program: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            python(program), cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100
        )
    message = "error: standard output: the disk is full; free some space and start again\n"
    assert (done.returncode, done.stderr) == (5, message)


def test_a_short_output_to_a_full_disk_is_an_error_too() -> None:
    """It is written when the command ends, after its exit status is known."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "rnn_jax", "--help"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100)
    assert done.returncode == 5
    assert done.stderr.startswith("error: standard output: the disk is full")


def test_a_full_disk_behind_standard_error_leaves_the_exit_status() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "rnn_jax", "predit"]
        assert subprocess.run(command, cwd=ROOT, stdout=full, stderr=full, timeout=100).returncode == 2


NAMES = "caf\\xe9 ± \\udce9 ━"
"""A name that is not ASCII, a character that is not Latin-1 but in UTF-8, a byte that is not UTF-8."""
SHOWING = f"""
import sys
from rnn_jax.runtime.command import run_command
with run_command():
    print('{NAMES}')
    print('{NAMES}', file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", rb"caf\xe9 \xb1 \udce9 \u2501"),
        ("latin-1:strict", rb"caf%b \udce9 \u2501" % "é ±".encode("latin-1")),
        ("utf-8", "café ± \\udce9 ━".encode()),
    ],
)
def test_what_the_encoding_lacks_is_escaped(encoding: str, expected: bytes) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(python(SHOWING), cwd=ROOT, env=environment, capture_output=True, timeout=100)
    assert (done.stdout, done.stderr, done.returncode) == (expected + b"\n", expected + b"\n", 0)


def test_training_finishes_after_its_output_is_closed(tmp_path: Path) -> None:
    config = ["--config", "configs/digits.py:smoke", "--config.log.tensorboard=False"]
    brief = ["--config.train.duration_steps=4", "--config.train.evaluate_every_steps=2"]
    command = [sys.executable, "-m", "rnn_jax.main", *config, *brief, "--workdir", str(tmp_path / "run")]
    assert read_one_line(command)[::2] == (0, "")
    assert '"status": "finished"' in (tmp_path / "run" / "summary.json").read_text()


def test_unbuffered_output_stays_unbuffered() -> None:
    """`python -u`, and PYTHONUNBUFFERED in most container images."""
    program = (
        "import os, sys\nfrom rnn_jax.runtime.command import run_command\n"
        "with run_command(long_running=True):\n    print('out')\n    print('err', file=sys.stderr)\n"
        "    os._exit(3)"
    )
    done = subprocess.run([sys.executable, "-u", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
