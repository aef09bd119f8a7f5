"""A task from outside: sweeps rank it by its F1 score, and running out of memory is explained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_jax import sweep
from rnn_jax.config.command_line import load_config
from rnn_jax.config.objective import Objective
from rnn_jax.config.schema import validate
from rnn_jax.reporting.pages.collection import collect
from rnn_jax.runtime.errors import OutOfMemoryError
from rnn_jax.training import memory

ROOT = Path(__file__).parents[1]
CONFIG = '''"""Is a digit a zero? Decided by the F1 score."""

import jax.numpy as jnp

from rnn_jax.catalogue import register_task
from rnn_jax.config.objective import Objective
from rnn_jax.tasks.classification import build_classification

from . import digits


def build_zeros(data_spec, splits, batch_size):
    task = build_classification(
        data_spec, splits, batch_size, reading="rows", permutation_seed=None, shift_pixels=0
    )

    def loss(logits, batch, hyper):
        total, count, metrics = task.loss(logits, batch, hyper)
        found = (jnp.argmax(logits, axis=-1) == 0) * batch.weights
        is_zero = (batch.targets == 0) * batch.weights
        f1 = 2 * (found * is_zero).sum(), found.sum() + is_zero.sum()
        return total, count, {"loss": metrics["loss"], "f1": f1}

    return task._replace(objective=Objective("f1", "max"), metrics={"loss": "min", "f1": "max"}, loss=loss)


register_task("zeros", build_zeros, data="image", reads="features", predicts="sequence")


def get_config():
    config = digits.get_config()
    digits.VARIANTS["smoke"](config)
    config.task.name = "zeros"
    config.model.hidden_size = 8
    config.train.report_test = False
    config.log.tensorboard = False
    return config
'''
GRID = ["--grid", "optimizer.learning_rate=0.0,1e-2"]

pytestmark = pytest.mark.usefixtures("unregistered")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "zeros.py"
    file.write_text(CONFIG)
    return file


def assert_best_first(folder: Path) -> None:
    """Assert that the scores in results.jsonl differ, and that report.md and the page have the best first."""
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    scores = {row["point"]["optimizer.learning_rate"]: row["best"]["f1"] for row in rows}
    assert scores[1e-2] > scores[0.0]
    report = (folder / "report.md").read_text()
    assert "--config.optimizer.learning_rate=0.01" in report  # the command of the winner
    found = collect([folder])
    assert found.objective == Objective("f1", "max")
    assert [run.point["optimizer.learning_rate"] for run in found.runs] == [1e-2, 0.0]


def test_a_sweep_and_its_report_rank_the_best_first(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    assert sweep.main(["--config", str(config), *GRID, "--workdir", str(folder)]) == 0
    assert_best_first(folder)


@pytest.mark.matrix
def test_a_study_ranks_the_best_first(config: Path, tmp_path: Path) -> None:
    folder, storage = tmp_path / "study", f"sqlite:///{tmp_path}/study.db"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "rnn_jax.sweep", "--config", str(config), *GRID),
            *("--workdir", str(folder), "--storage", storage),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_best_first(folder)


def test_running_out_of_memory_is_explained(config: Path) -> None:
    """The catalogue's entry has no key for the time steps."""
    resolved = validate(load_config(str(config)))[0]
    message = r"model\.layers = 1\nLower dataset\.batch_size"
    with pytest.raises(OutOfMemoryError, match=message), memory.explain_out_of_memory(resolved):
        raise MemoryError
