"""Runs that several tests share; the first worker that needs one trains it."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DIGITS = ("--config.train.duration_epochs=30", "--config.train.evaluate_every_epochs=10")
"""Overrides of configs/digits.py: an accuracy of 97 % in six seconds."""


def train_once(temporary: pytest.TempPathFactory, name: str, *changes: str) -> Path:
    """Return the folder of a finished run of configs/NAME.py; all callers give the same changes.

    It is compiled with all optimizations: here, faster training outweighs slower compilation.
    """
    own = temporary.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    run = shared / f"trained-{name}"
    with (shared / f"trained-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not run.exists():
            _train(name, run, *changes)
    return run


def _train(name: str, run: Path, *changes: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "rnn_jax.main", "--config", f"configs/{name}.py", "--workdir", str(run)),
            *("--config.log.tensorboard=False", "--config.runtime.devices=1", *changes),
        ],
        cwd=ROOT,
        env={**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "0", "JAX_NUM_CPU_DEVICES": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
