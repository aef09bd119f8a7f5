"""One process at a time in a folder."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_jax.runtime import lock
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.lock import NAME, LockedError, is_locked, locked, waiting_lock

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


@pytest.fixture(params=[errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace `flock` by that of Lustre, or of NFS without a lock service."""

    def flock(file: object, kind: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    lock._warn_of_missing_locks.cache_clear()
    monkeypatch.setattr(lock.fcntl, "flock", flock)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_warning_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / NAME).read_text()
        assert not is_locked(tmp_path)  # by another process
    assert not (tmp_path / NAME).exists()
    with locked(tmp_path), waiting_lock(tmp_path / "file"):
        pass
    warning = (
        f"warning: {tmp_path}: its file system has no locks (flock), so nothing prevents processes of other"
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(warning)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_living_process_on_this_host_is_noticed(tmp_path: Path) -> None:
    def write(host: str, pid: int) -> None:
        (tmp_path / NAME).write_text(json.dumps({"host": host, "pid": pid}))

    here = socket.gethostname()
    write(here, os.getppid())
    with pytest.raises(LockedError, match=f"in use by process {os.getppid()} on {here}; if that is another"):
        locked(tmp_path).__enter__()
    assert is_locked(tmp_path)
    write(here, 2**31 - 2)  # has ended
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        pass
    write("elsewhere", 1)
    with pytest.raises(
        UserError, match="is of process 1 on elsewhere, which may have ended; if it has, remove"
    ):
        is_locked(tmp_path)
    with locked(tmp_path):  # the warning is enough for a run, which was started by hand
        pass


def test_a_failing_lock_is_still_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(file: object, kind: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with pytest.raises(UserError, match="cannot be written"), locked(tmp_path):
        pytest.fail("it is not locked")


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"), locked(tmp_path / "missing"):
        pytest.fail("there is no such folder")
