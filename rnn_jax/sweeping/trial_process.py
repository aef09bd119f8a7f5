"""The process that trains a trial: its evaluations while it runs, and what its exit means."""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rnn_jax.runtime.errors import DivergedError, StorageError, UserError
from rnn_jax.runtime.lock import POLL_SECONDS
from rnn_jax.runtime.signals import SAME_REQUEST, is_stop_status
from rnn_jax.sweeping.study.trials import TrialFailedError

CHILD = ("-m", "rnn_jax.sweeping.child")
# A scheduler may stop the processes of workers as well as the workers, which then stop theirs again.
SAME_REQUEST_SECONDS = 10
# Parts of messages about memory, which has the exit status of a full disk.
OUT_OF_MEMORY = ("out of memory", "GB are free")
LONGEST_MESSAGE = 500


class Evaluations:
    """The objective of runs that other processes train, read from their metrics.jsonl."""

    def __init__(self, files: Sequence[Path], metric: str) -> None:
        """Read `metric` on validation from `files`, which need not exist yet; they train in step."""
        self._files, self._metric = files, metric
        self._sizes: list[int] = []
        self._values: list[float] = []

    def values(self) -> list[float]:
        """Return the mean over the files for each evaluation that all of them have.

        Values end before the first that is not finite, and before a line that a power cut has damaged, until
        the resumed run has written it again.
        """
        sizes = [file.stat().st_size if file.exists() else 0 for file in self._files]
        if sizes != self._sizes:
            self._sizes = sizes
            columns = zip(*(self._read(file) for file in self._files), strict=False)
            self._values = [statistics.mean(values) for values in columns]
        return self._values

    def _read(self, file: Path) -> list[float]:
        values = []
        # After the last line break is a line that is being written.
        for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else ():
            if b'"validation"' not in line:
                continue
            try:
                value = json.loads(line)[self._metric]
            except (ValueError, KeyError):
                value = None
            if value is None:
                break
            values.append(value)
        return values


def run_process(
    command: Sequence[str], output: Path, report: Callable[[], None], check_stop: Callable[[], None]
) -> tuple[int, str]:
    """Run `python -m rnn_jax.COMMAND` to its end; it receives SIGTERM if this function raises.

    Returns its exit status, negative for the signal that killed it, and its last error message, or line.
    Its standard output and error are appended to a file. `report` is called regularly, and after the end, and
    may raise. `check_stop` raises if a signal has stopped this process.
    """
    with output.open("ab+") as file:
        before = file.seek(0, os.SEEK_END)
        # In a session of its own: Ctrl-C reaches only this process, which then stops the other.
        process = subprocess.Popen(
            [sys.executable, *CHILD, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env={**os.environ, SAME_REQUEST: str(SAME_REQUEST_SECONDS)},
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(POLL_SECONDS)
                    break
                report()
                check_stop()
            report()
        finally:
            process.terminate()  # without effect after its end
            process.wait()
        file.seek(before)
        lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    if is_stop_status(status):
        time.sleep(POLL_SECONDS)  # a scheduler may have stopped that process before this one
        check_stop()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    last = [f"exit status {status}", *lines[-1:], *errors[-1:]][-1]
    return status, last[:LONGEST_MESSAGE]


def failure_of(status: int, message: str, trial: str, diverged: str | None, *, is_invalid: bool) -> Exception:
    """Return the error for the process of a trial that did not exit with status 0: see `run_process`.

    Divergence, too little memory, a bug, and a config that is invalid everywhere are failures of the trial.
    An error of the machine (disk, data, devices) would fail all other trials too: it is one of this worker.
    `diverged` is the reason in the run's summary, if any; `is_invalid`: whether the config is invalid.
    """
    if status == DivergedError.exit_status and diverged is not None:
        return TrialFailedError(f"diverged: {diverged}")
    if status == -signal.SIGKILL:
        return TrialFailedError("killed (SIGKILL); most likely it ran out of memory")
    if is_stop_status(status):
        return UserError(f"{trial}: stopped by another process (exit status {status})")
    if status < 0:
        return TrialFailedError(f"killed ({signal.Signals(-status).name})")
    if status == UserError.exit_status and not is_invalid:
        return UserError(f"{trial}: {message}")
    if status == StorageError.exit_status and not any(part in message for part in OUT_OF_MEMORY):
        return StorageError(f"{trial}: {message}")
    return TrialFailedError(message)
