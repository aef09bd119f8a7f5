"""The command that trains and evaluates: its output and its exit status."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from rnn_jax.main import main

ROOT = Path(__file__).parents[1]
SMOKE = ["--config", "configs/digits.py:smoke"]


def run_main(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run that tests may evaluate, but not change otherwise."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main([*SMOKE, "--workdir", str(run)]) == 0
    return run


def test_training_prints_the_results_and_prints_them_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = ["--workdir", str(tmp_path / "run")]
    brief = ["--config.train.duration_steps=4", "--config.train.evaluate_every_steps=2"]
    status, out, _ = run_main([*SMOKE, *brief, *workdir], capsys)
    assert status == 0
    for expected in ("synthetic", "parameters", "1 × CPU", "\nstep 4", "best validation", "test"):
        assert expected in out
    status, again, _ = run_main(workdir, capsys)
    assert status == 0
    assert "best validation" in again
    assert "\nstep 4" not in again


def test_five_functions_lead_from_the_command_to_the_step(tmp_path: Path) -> None:
    package, found = str(ROOT / "rnn_jax"), set()

    def profile(frame: FrameType | None, event: str, _: object) -> None:
        if event != "call" or frame is None or frame.f_code.co_name != "train_step":
            return
        names = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(package):
                names.append(frame.f_code.co_name)
            frame = frame.f_back
        found.add(tuple(reversed(names)))

    sys.setprofile(profile)
    try:
        assert main([*SMOKE, "--config.train.duration_steps=2", "--workdir", str(tmp_path / "run")]) == 0
    finally:
        sys.setprofile(None)
    assert found == {("main", "train", "fit", "update", "train_step")}


def test_eval_prints_and_plots_the_confusion_matrix(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run_main(["--workdir", str(trained), "--mode", "eval"], capsys)
    assert status == 0
    assert "label" in out
    assert f"misclassified; confusion.png and mistakes.png in {trained}" in out
    assert (trained / "confusion.png").stat().st_size > 1000
    assert (trained / "mistakes.png").stat().st_size > 1000
    summary = json.loads((trained / "summary.json").read_text())
    found = json.loads((trained / "confusion.json").read_text())
    assert found["classes"] == [str(digit) for digit in range(10)]
    assert (found["split"], found["step"]) == ("test", summary["best"]["step"])
    matrix = np.array(found["matrix"])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == summary["dataset"]["test"]
    assert np.trace(matrix) / matrix.sum() == pytest.approx(summary["test"]["accuracy"])


def test_eval_without_a_checkpoint_ends_with_4(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    for checkpoint in (run / "checkpoints").iterdir():
        (checkpoint / "manifest.json").write_text("")
    status, _, err = run_main(["--workdir", str(run), "--mode", "eval"], capsys)
    assert status == 4
    assert "--checkpoint latest" in err


def test_divergence_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hot = ["--config.optimizer.learning_rate=1e38", "--config.optimizer.clip_norm=None"]
    status, _, err = run_main([*SMOKE, "--workdir", str(tmp_path / "run"), *hot], capsys)
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
def test_wrong_input_ends_with_2_and_names_what_is_allowed(
    arguments: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run_main([*SMOKE, *arguments], capsys)
    assert status == 2
    for text in expected:
        assert text in err
    assert len(err.splitlines()) <= 4


def test_another_config_names_the_keys_that_differ(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = [*SMOKE, "--workdir", str(trained), "--config.model.hidden_size=7"]
    status, _, err = run_main(changed, capsys)
    assert status == 2
    assert "model.hidden_size is 32 there and 7 here" in err


ENDLESS = ["--config.train.duration_steps=1000000", "--config.train.evaluate_every_steps=1000000"]


def wait_until_it_trains(run: Path) -> None:
    metrics, deadline = run / "metrics.jsonl", time.monotonic() + 120
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)


def assert_resumable(run: Path, out: str) -> None:
    assert f"To resume:\npython -m rnn_jax.main --workdir {run}" in out
    assert any((run / "checkpoints").iterdir())


def test_ctrl_c_ends_with_a_checkpoint_and_the_command_that_resumes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rnn_jax.main", *SMOKE, *ENDLESS, "--workdir", str(tmp_path / "run")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until_it_trains(tmp_path / "run")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert_resumable(tmp_path / "run", out)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_of_a_scheduler_end_with_a_checkpoint(
    number: signal.Signals, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def send() -> None:
        wait_until_it_trains(tmp_path / "run")
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    found, out, err = run_main([*SMOKE, *ENDLESS, "--workdir", str(tmp_path / "run")], capsys)
    sender.join()
    assert found == status, out + err
    assert_resumable(tmp_path / "run", out + err)


WITHOUT_JAX = """
import sys
from rnn_jax import draw, generate, main, predict, report, sweep
for command in (main, sweep, predict, generate, report, draw):
    try:
        command.main(["--help"])
    except SystemExit as end:
        assert not end.code
    assert command.main(["--workdir"]) == 2
assert main.main(["--config.model.cel=1"]) == 2
assert not {"jax", "tensorflow_datasets", "matplotlib", "sklearn"} & set(sys.modules)
"""


def test_help_and_wrong_command_lines_import_no_jax() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX")}
    command = [sys.executable, "-c", WITHOUT_JAX]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "optimizer" in done.stdout
