"""Runs in processes that can be killed, without waiting seconds for the imports of each.

This process imports everything that a run needs, but does not initialize JAX. Every run is a fork of it that
continues like `python -m rnn_jax.main` (or `.sweep`) after its imports.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn_jax.runtime.signals import exit_at_sigint

SMALL = {
    "dataset.examples": 400,
    "dataset.batch_size": 16,
    "model.hidden_size": 8,
    "log.tensorboard": False,
    "runtime.devices": 1,
}
TIMES = ("wall_seconds", "compile_seconds", "examples_per_second", "tokens_per_second", "commit", "hardware")


class Process:
    """A running process."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log, self._status = pid, log, None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal that ended the process; None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, seconds: float = 300) -> int:
        """Wait for the end and return the exit status; after `seconds`, kill it and raise TimeoutError."""
        end = time.monotonic() + seconds
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"still running after {seconds} s: {self.output()[-500:]}")
            time.sleep(0.002)
        return status

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL (kill -9) and wait for the end."""
        self.send(signal.SIGKILL)
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def wait_for(self, condition: Callable[[], object], seconds: float = 120) -> bool:
        """Wait until the condition holds; return False if the process or the time ends first."""
        end = time.monotonic() + seconds
        while not condition():
            if self.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    def output(self) -> str:
        """Return what the process has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def start(
    arguments: Sequence[str],
    log: Path,
    *,
    command: str = "main",
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] = lambda: None,
) -> Process:
    """Start `python -m rnn_jax.<command>` with its output in `log`; the new process calls `before` first."""
    _import()
    pid = os.fork()
    if pid:
        return Process(pid, log)
    status = 1
    try:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(environment or {})
        _set_compilation_cache(os.environ.get("JAX_COMPILATION_CACHE_DIR"))
        before()
        exit_at_sigint()
        status = _mains()[command](list(arguments))
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def call(function: Callable[[], Any], scratch: Path) -> Any:
    """Call a function in a process of its own, which may initialize JAX; return its result by JSON."""
    place = scratch / "returned.json"
    place.unlink(missing_ok=True)

    def run() -> None:
        place.write_text(json.dumps(function()))
        os._exit(0)

    process = start([], scratch / "call.log", before=run)
    if process.wait() != 0:
        raise RuntimeError(process.output())
    return json.loads(place.read_text())


def typed(overrides: Mapping[str, Any]) -> list[str]:
    """Return keys and values as command-line arguments."""
    return [f"--config.{key}={value}" for key, value in overrides.items()]


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metrics.jsonl, without an incomplete last line."""
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def last_row(folder: Path) -> dict[str, Any]:
    """Return the last complete row that a run has logged; with step 0 if it has none."""
    with contextlib.suppress(OSError), (folder / "metrics.jsonl").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1000))
        whole = file.read().split(b"\n")[-2:-1]
        return json.loads(whole[0]) if whole else {"step": 0, "split": None}
    return {"step": 0, "split": None}


def last_step(folder: Path) -> int:
    """Return the last step that a run has logged."""
    return last_row(folder)["step"]


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each part of a finished run: state, progress, logs and summary."""
    from rnn_jax.checkpoints import store

    checkpoints = folder / "checkpoints"
    found, best = store.find(checkpoints), store.find(checkpoints, "best")
    summary = json.loads((folder / "summary.json").read_text())
    return {
        **{name: digest(part) for name, part in found.read().items()},
        "progress": digest(found.progress),
        "best parameters": digest(best.read("params/")),
        "data order": digest(_order(folder, found.step)),
        "metrics.jsonl": hashlib.sha256((folder / "metrics.jsonl").read_bytes()).hexdigest(),
        "samples.txt": hashlib.sha256(_read(folder / "samples.txt")).hexdigest(),
        "summary.json": digest({name: value for name, value in summary.items() if name not in TIMES}),
    }


def _order(folder: Path, step: int) -> Any:
    """Return the indices of the next five batches."""
    from rnn_jax.config.run_folder import read_config
    from rnn_jax.training.build import build

    job = build(read_config(folder))
    return [job.task.select("train", job.plan.settings.seed, step + ahead) for ahead in range(5)]


def digest(part: Any) -> str:
    """Return the SHA-256 of a tree of arrays and plain values."""
    import jax
    import numpy as np

    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(part)[0]:
        found.update(jax.tree_util.keystr(path).encode())
        array = np.asarray(leaf)
        found.update(repr((array.dtype.str, array.shape)).encode())
        found.update(array.tobytes() if array.dtype != object else repr(leaf).encode())
    return found.hexdigest()


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _import() -> None:
    """Import the modules of a run, so that its forks need not."""
    import matplotlib.figure
    import optax
    import safetensors
    import tensorflow_datasets

    import rnn_jax.sweeping.run
    import rnn_jax.training.run

    del matplotlib, optax, safetensors, tensorflow_datasets, rnn_jax


def _set_compilation_cache(folder: str | None) -> None:
    """Set the compilation cache in JAX's config: JAX read the environment when it was imported."""
    import jax

    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _mains() -> dict[str, Callable[[Sequence[str]], int]]:
    from rnn_jax import main, sweep

    return {"main": main.main, "sweep": sweep.main}
