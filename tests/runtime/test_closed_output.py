"""Standard output whose reader goes away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEAKER = """
import sys
from rnn_jax.runtime.unheard import end_unheard, go_on_unheard

def main(arguments):
    for number in range(20_000):
        print(number, "a line that is long enough to fill the pipe", flush=number % 2 == 0)
    print("done", file=sys.stderr)
    return 7
"""
GOES_ON = f"{SPEAKER}\ngo_on_unheard()\nsys.exit(main([]))"
ENDS = f"{SPEAKER}\nsys.exit(end_unheard(main, []))"


def read_one_line(command: list[str]) -> tuple[int, str, str]:
    """What `command | head -1` comes to: the command's exit status, the line, and what it says of errors."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    return process.wait(timeout=100), line, said


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_what_goes_on_goes_on_without_a_word() -> None:
    status, line, said = read_one_line(python(GOES_ON))
    assert (status, said) == (7, "done\n")
    assert line.startswith("0 a line")


def test_what_only_speaks_ends_at_once() -> None:
    status, _, said = read_one_line(python(ENDS))
    assert (status, said) == (0, "")


@pytest.mark.parametrize("program", [GOES_ON, ENDS])
def test_without_standard_output_there_is_nothing_to_say(program: str) -> None:
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *python(program)]
    done = subprocess.run(closed, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (7, "done\n")


def test_standard_error_may_be_unread_too() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    status = subprocess.run(python(GOES_ON), cwd=ROOT, stdout=writing, stderr=writing, timeout=100).returncode
    os.close(writing)
    assert status == 7


def test_help_that_nobody_reads_is_no_error() -> None:
    """What is written to a pipe is buffered, and the interpreter's own end would complain of it."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reading, writing = os.pipe()
    os.close(reading)
    for name in ("main", "sweep", "predict", "generate"):
        command = [sys.executable, "-m", f"rnn_jax.{name}", "--help"]
        done = subprocess.run(
            command, cwd=ROOT, env=buffered, stdout=writing, stderr=subprocess.PIPE, timeout=100
        )
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writing)


def test_a_full_disk_behind_standard_output_is_still_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            python(GOES_ON), cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100
        )
    assert done.returncode != 0
    assert "No space left on device" in done.stderr


def test_a_run_whose_reader_leaves_comes_to_its_end(tmp_path: Path) -> None:
    config = ["--config", "configs/digits.py:smoke", "--config.log.tensorboard=False"]
    brief = ["--config.train.duration_steps=4", "--config.train.evaluate_every_steps=2"]
    command = [sys.executable, "-m", "rnn_jax.main", *config, *brief, "--workdir", str(tmp_path / "run")]
    assert read_one_line(command)[::2] == (0, "")
    assert '"status": "finished"' in (tmp_path / "run" / "summary.json").read_text()


def test_unbuffered_output_is_there_at_once() -> None:
    """As `python -u` and most images of containers have it."""
    program = (
        f"{SPEAKER}\ngo_on_unheard()\nprint('said')\nprint('told', file=sys.stderr)\nimport os\nos._exit(3)"
    )
    done = subprocess.run([sys.executable, "-u", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "told\n")
