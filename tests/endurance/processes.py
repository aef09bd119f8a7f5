"""Runs as processes of their own that can be killed, without waiting seconds for imports each time.

This process has imported what a run needs, and has not started JAX: every run is a fork of it, which does
what `python -m rnn_jax.main` (or `.sweep`) does from there on.
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

from rnn_jax.runtime.signals import restore_default_sigint

SMALL = {
    "dataset.examples": 400,
    "dataset.batch_size": 16,
    "model.hidden_size": 8,
    "log.tensorboard": False,
    "runtime.devices": 1,
}
TIMES = ("wall_seconds", "compile_seconds", "examples_per_second", "tokens_per_second", "commit", "hardware")


class Process:
    """A run under way."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log, self._status = pid, log, None

    def poll(self) -> int | None:
        """The exit status, negative for a signal that ended it; None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, seconds: float = 300) -> int:
        """Waits for its end; kills it, and raises TimeoutError, if that does not come."""
        end = time.monotonic() + seconds
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"still running after {seconds} s: {self.said()[-500:]}")
            time.sleep(0.002)
        return status

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, and waits."""
        self.send(signal.SIGKILL)
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def wait_for(self, condition: Callable[[], object], seconds: float = 120) -> bool:
        """Waits until something holds; False where the process ends before."""
        end = time.monotonic() + seconds
        while not condition():
            if self.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    def said(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def start(
    arguments: Sequence[str],
    log: Path,
    *,
    command: str = "main",
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] = lambda: None,
) -> Process:
    """Starts `python -m rnn_jax.<command>`, whose output goes to a file; `before` is called in it first."""
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
        _keep_compiled(os.environ.get("JAX_COMPILATION_CACHE_DIR"))
        before()
        restore_default_sigint()
        status = _mains()[command](list(arguments))
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def call(function: Callable[[], Any], scratch: Path) -> Any:
    """What a function returns (JSON) in a process of its own, which may start JAX."""
    place = scratch / "returned.json"
    place.unlink(missing_ok=True)

    def run() -> None:
        place.write_text(json.dumps(function()))
        os._exit(0)

    process = start([], scratch / "call.log", before=run)
    if process.wait() != 0:
        raise RuntimeError(process.said())
    return json.loads(place.read_text())


def typed(overrides: Mapping[str, Any]) -> list[str]:
    """Keys and values as a command line has them."""
    return [f"--config.{key}={value}" for key, value in overrides.items()]


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics.jsonl."""
    content = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def last_row(folder: Path) -> dict[str, Any]:
    """The last whole line that a run has logged: a step of 0 where there is none."""
    with contextlib.suppress(OSError), (folder / "metrics.jsonl").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1000))
        whole = file.read().split(b"\n")[-2:-1]
        return json.loads(whole[0]) if whole else {"step": 0, "split": None}
    return {"step": 0, "split": None}


def last_step(folder: Path) -> int:
    """The last step that a run has logged."""
    return last_row(folder)["step"]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of all that a finished run has come to: its state by parts, its progress, what it logged."""
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
    """The examples of the next batches."""
    from rnn_jax.config.run_folder import read_config
    from rnn_jax.training.build import build

    job = build(read_config(folder))
    return [job.task.select("train", job.plan.settings.seed, step + ahead) for ahead in range(5)]


def digest(part: Any) -> str:
    """SHA-256 of a tree of arrays and plain values."""
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
    """Imports all that a run needs, so that its forks need not."""
    import matplotlib.figure
    import optax
    import safetensors
    import tensorflow_datasets

    import rnn_jax.sweeping.run
    import rnn_jax.training.run

    del matplotlib, optax, safetensors, tensorflow_datasets, rnn_jax


def _keep_compiled(folder: str | None) -> None:
    """JAX has read its environment when it was imported."""
    import jax

    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _mains() -> dict[str, Callable[[Sequence[str]], int]]:
    from rnn_jax import main, sweep

    return {"main": main.main, "sweep": sweep.main}
