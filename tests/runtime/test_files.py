"""Files on file systems that cannot flush."""

import errno
import os
import stat
from pathlib import Path

import pytest
from tiny import build_tiny

from rnn_jax.runtime import files
from rnn_jax.runtime.errors import StorageError
from rnn_jax.training.run import train


@pytest.fixture
def failing_fsync(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """Replace `fsync` by one that fails for folders, as that of CIFS; return its error number."""
    fsync, number = os.fsync, getattr(request, "param", errno.EINVAL)

    def fail_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    files._warn_once.cache_clear()
    monkeypatch.setattr(files.os, "fsync", fail_for_folders)
    return number


@pytest.mark.parametrize("failing_fsync", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS], indirect=True)
def test_a_folder_that_cannot_be_flushed_gives_one_warning(
    failing_fsync: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        files.write_json(tmp_path / "x.json", {"number": number})
    assert files.read_json(tmp_path / "x.json") == {"number": 2}
    (line,) = capsys.readouterr().err.splitlines()
    reason = f"its file system cannot flush folders to the disk ({os.strerror(failing_fsync)})"
    assert line == (
        f"warning: {tmp_path.parent}: {reason}: after a power cut, what was written last may be missing"
    )


@pytest.mark.parametrize("failing_fsync", [errno.EIO, errno.ENOSPC], indirect=True)
@pytest.mark.usefixtures("failing_fsync")
def test_a_flush_that_fails_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises((StorageError, files.UnwritableError)):
        files.write_json(tmp_path / "x.json", {})


@pytest.mark.usefixtures("failing_fsync")
def test_a_run_trains_without_locks_and_flushed_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def flock(file: object, kind: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    config = build_tiny({"train.duration_steps": 4, "train.evaluate_every_steps": 2})
    assert train(config, tmp_path / "run")["status"] == "finished"
    assert sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())[-1] == "00000004"
    assert "has no locks (flock)" in capsys.readouterr().err


def test_a_name_that_is_not_utf_8_is_written_as_an_escape(tmp_path: Path) -> None:
    files.write_text(tmp_path / "x.txt", "class caf\udce9, ±")
    assert (tmp_path / "x.txt").read_text(encoding="utf-8") == "class caf\\udce9, ±"
