"""One process at a time in a folder."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.lock import NAME, LockedError, locked

HOLDING = """
import sys, time
from pathlib import Path
from rnn_jax.runtime.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_error_of_a_second_process_names_the_first(holder: subprocess.Popen, tmp_path: Path) -> None:
    who = f"in use by process {holder.pid} on {socket.gethostname()}"
    with pytest.raises(LockedError, match=re.escape(f"{tmp_path}: {who}")), locked(tmp_path):
        pytest.fail("two at once")
    assert (tmp_path / NAME).exists()


def test_the_lock_of_a_dead_process_is_taken_over(holder: subprocess.Popen, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert str(holder.pid) in (tmp_path / NAME).read_text()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / NAME).read_text()
    assert not (tmp_path / NAME).exists()


def test_a_lock_is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        _ = 1 / 0
    with locked(tmp_path), pytest.raises(LockedError, match=str(os.getpid())), locked(tmp_path):
        pytest.fail("two at once")


def test_an_empty_lock_file_still_locks(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / NAME).write_text("")
        with pytest.raises(LockedError, match="another process"), locked(tmp_path):
            pytest.fail("two at once")


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"), locked(tmp_path / "missing"):
        pytest.fail("there is no such folder")
