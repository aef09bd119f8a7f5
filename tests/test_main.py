"""The command: what it says and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rnn_jax.main import main
from rnn_jax.runtime import command

ROOT = Path(__file__).parents[1]
SMOKE = ["--config", "configs/digits.py:smoke"]


def ends(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def test_trains_says_so_and_says_it_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workdir = ["--workdir", str(tmp_path / "run")]
    status, out, _ = ends([*SMOKE, *workdir], capsys)
    assert status == 0
    for expected in ("synthetic", "parameters", "1 × CPU", "best validation", "test"):
        assert expected in out
    status, again, _ = ends(workdir, capsys)
    assert status == 0
    assert "best validation" in again
    assert "training from" not in again


def test_eval_prints_the_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workdir = ["--workdir", str(tmp_path / "run")]
    ends([*SMOKE, *workdir], capsys)
    status, out, _ = ends([*workdir, "--mode", "eval"], capsys)
    assert status == 0
    assert "label" in out
    assert "wrong" in out
    assert (tmp_path / "run" / "confusion.png").stat().st_size > 1000
    assert (tmp_path / "run" / "mistakes.png").stat().st_size > 1000


def test_eval_keeps_the_numbers_of_the_confusion_matrix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = ["--workdir", str(tmp_path / "run")]
    ends([*SMOKE, *workdir], capsys)
    ends([*workdir, "--mode", "eval"], capsys)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    found = json.loads((tmp_path / "run" / "confusion.json").read_text())
    assert found["classes"] == [str(digit) for digit in range(10)]
    assert (found["split"], found["step"]) == ("test", summary["best"]["step"])
    matrix = np.array(found["matrix"])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == summary["dataset"]["test"]
    assert np.trace(matrix) / matrix.sum() == pytest.approx(summary["test"]["accuracy"])


def test_eval_without_a_checkpoint_ends_with_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workdir = ["--workdir", str(tmp_path / "run")]
    ends([*SMOKE, *workdir], capsys)
    for checkpoint in (tmp_path / "run" / "checkpoints").iterdir():
        (checkpoint / "manifest.json").write_text("")
    status, _, err = ends([*workdir, "--mode", "eval"], capsys)
    assert status == 4
    assert "--checkpoint latest" in err


def test_divergence_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hot = ["--config.optimizer.learning_rate=1e38", "--config.optimizer.clip_norm=None"]
    status, _, err = ends([*SMOKE, "--workdir", str(tmp_path / "run"), *hot], capsys)
    assert status == 3
    assert "diverged" in err
    assert "learning_rate" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config.optimizer.learning_rat=1"], ["optimizer.learning_rate"]),
        (["--config.optimizer.learning_rate=nan", "--config.model.cel=gru"], ["learning_rate", "model.cell"]),
        (["--config.optimizer.learning_rate=-1"], ["learning_rate", "0"]),
        (["--config.model.hidden_size=many"], ["hidden_size", "whole number"]),
        (["--config.model.cell=gruu"], ["lstm"]),
        (["--config.optimizer.name=adm"], ["adam", "adamw", "sgd", "rmsprop"]),
        (["--config.dataset.name=mnits"], ["mnist", "digits"]),
        (["--config", "configs/mnits.py"], ["configs/mnist.py"]),
        (["--workdir", "/dev/null/run"], ["/dev/null"]),
        (["--workdir", "."], ["config.json"]),
    ],
)
def test_wrong_input_ends_with_2_and_says_what_would_be_right(
    arguments: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = ends([*SMOKE, *arguments], capsys)
    assert status == 2
    for text in expected:
        assert text in err
    assert len(err.splitlines()) <= 4


def test_another_config_is_refused_by_its_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workdir = ["--workdir", str(tmp_path / "run")]
    ends([*SMOKE, *workdir], capsys)
    status, _, err = ends([*SMOKE, *workdir, "--config.model.hidden_size=7"], capsys)
    assert status == 2
    assert "model.hidden_size is 32 there and 7 here" in err


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)]
)
def test_a_signal_ends_with_a_checkpoint_and_the_command_that_goes_on(
    sent: signal.Signals, status: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "rnn_jax.main", *SMOKE, "--workdir", str(tmp_path / "run")]
    command += ["--config.train.duration_steps=1000000", "--config.train.evaluate_every_steps=1000000"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == status, out
    assert f"python -m rnn_jax.main --workdir {tmp_path / 'run'}" in out
    assert any((tmp_path / "run" / "checkpoints").iterdir())


def test_help_and_mistakes_come_before_jax(tmp_path: Path) -> None:
    program = (
        "import sys, rnn_jax.main as m\n"
        "try:\n    m.main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert m.main(['--config.model.cel=1']) == 2\n"
        "assert not {'jax', 'tensorflow_datasets', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "optimizer" in done.stdout


def test_one_of_several_processes_leaves_at_once_with_its_own_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX's own end would wait for the others, and then forget the status."""
    left: list[int] = []
    monkeypatch.setattr(command, "_has_joined_processes", lambda: True)
    monkeypatch.setattr(command.os, "_exit", left.append)
    main(["--config", "configs/nothing.py"])
    assert left == [2]
