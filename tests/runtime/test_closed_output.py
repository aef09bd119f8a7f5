"""Commands whose standard output is closed while they run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINTING = """
import sys
from rnn_jax.runtime.closed_output import exit_on_closed_output, ignore_closed_output

def main():
    for number in range(20_000):
        print(number, "a line that is long enough to fill the pipe", flush=number % 2 == 0)
    print("done", file=sys.stderr)
    return 7
"""
IGNORING = f"{PRINTING}\nignore_closed_output()\nsys.exit(main())"
EXITING = f"{PRINTING}\nwith exit_on_closed_output():\n    sys.exit(main())"


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


def test_a_full_disk_behind_standard_output_is_still_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            python(IGNORING), cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100
        )
    assert done.returncode != 0
    assert "No space left on device" in done.stderr


def test_training_finishes_after_its_output_is_closed(tmp_path: Path) -> None:
    config = ["--config", "configs/digits.py:smoke", "--config.log.tensorboard=False"]
    brief = ["--config.train.duration_steps=4", "--config.train.evaluate_every_steps=2"]
    command = [sys.executable, "-m", "rnn_jax.main", *config, *brief, "--workdir", str(tmp_path / "run")]
    assert read_one_line(command)[::2] == (0, "")
    assert '"status": "finished"' in (tmp_path / "run" / "summary.json").read_text()


def test_unbuffered_output_stays_unbuffered() -> None:
    """`python -u`, and PYTHONUNBUFFERED in most container images."""
    program = (
        f"{PRINTING}\nignore_closed_output()\nprint('out')\nprint('err', file=sys.stderr)\n"
        "import os\nos._exit(3)"
    )
    done = subprocess.run([sys.executable, "-u", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
