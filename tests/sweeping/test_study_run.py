"""Studies, from the command line to the report."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rnn_jax import sweep
from rnn_jax.reporting.log import read_lines

SMALL = {
    "dataset.examples": 40,
    "dataset.batch_size": 12,
    "model.hidden_size": 6,
    "train.duration_steps": 3000,
    "train.evaluate_every_steps": 1000,
    "log.every_steps": 100,
    "log.tensorboard": False,
}
COMMAND = [
    "--config",
    "configs/digits.py:smoke",
    *(f"--config.{key}={value}" for key, value in SMALL.items()),
]


def command(folder: Path, *more: str) -> list[str]:
    storage = ["--storage", f"sqlite:///{folder / 'study.db'}", "--workdir", str(folder / "sweep")]
    return [*COMMAND, *storage, *more]


def stop_once(folder: Path) -> threading.Thread:
    """Send SIGTERM to this process after the first evaluation of a trial."""

    def run() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            files = list(folder.glob("sweep/trials/*/metrics.jsonl"))
            if any(b"validation" in file.read_bytes() for file in files):
                break
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.matrix
def test_an_interrupted_study_resumes_with_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of two trials diverges, the other one is interrupted."""
    typed = command(tmp_path, "--grid", "optimizer.learning_rate=1e-3,1e25")
    stopping = stop_once(tmp_path)
    assert sweep.main(typed) == 143
    stopping.join()
    assert "requeued, with a checkpoint" in capsys.readouterr().out
    assert sweep.main(typed) == 0
    found = read_lines(tmp_path / "sweep" / "results.jsonl")
    assert [row["status"] for row in found] == ["finished", "diverged"]
    assert found[0]["test"]["accuracy"] > 0
    assert found[1]["test"] is None
    folder = tmp_path / "sweep" / found[0]["folder"]
    assert "resuming after step" in (folder / "output.txt").read_text()
    evaluated = [row for row in read_lines(folder / "metrics.jsonl") if row["split"] == "validation"]
    assert [row["step"] for row in evaluated] == [1000, 2000, 3000]
    assert max(row["accuracy"] for row in evaluated) == found[0]["best"]["accuracy"]
    report = (tmp_path / "sweep" / "report.md").read_text()
    assert "optimizer.learning_rate = 1e+25, seed 0): the loss or its gradient was not finite" in report
    capsys.readouterr()
    assert sweep.main(typed) == 0  # nothing is trained or evaluated again
    assert read_lines(tmp_path / "sweep" / "results.jsonl") == found
    assert "trial 0" not in capsys.readouterr().out
    other = str(tmp_path / "other")
    assert sweep.main([*typed, "--workdir", other]) == 2
    assert f"error: {other}: not the folder of study digits-smoke" in capsys.readouterr().err


@pytest.mark.matrix
def test_workers_share_populations_of_seeds(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With another objective than the task's: at its best evaluation, the accuracy is not the best."""
    rates = "grid={'optimizer.learning_rate': (1e-3, 3e-2)}"
    (tmp_path / "sweep.py").write_text(f"def get_sweep():\n    return dict({rates}, objective='loss')\n")
    typed = command(tmp_path, "--sweep", str(tmp_path / "sweep.py"), "--seeds", "2", "--workers", "2")
    length = ["--config.train.duration_steps=400", "--config.train.evaluate_every_steps=20"]
    assert sweep.main([*typed, *length]) == 0
    printed = capfd.readouterr().out
    assert printed.count("2, all points of a grid") == 1  # not by the workers
    assert printed.count("trial 0: optimizer.learning_rate = 0.001") == 1
    found = read_lines(tmp_path / "sweep" / "results.jsonl")
    assert [(row["trial"], row["seed"], row["status"]) for row in found] == [
        (trial, seed, "finished") for trial in (0, 1) for seed in (0, 1)
    ]
    tested: list[Any] = [row["point"] for row in found if row["test"] is not None]
    assert tested == [tested[0]] * 2
    differs = False
    for row in found:
        folder = tmp_path / "sweep" / row["folder"]
        assert folder.parent.name == "members"
        evaluated = [row for row in read_lines(folder / "metrics.jsonl") if row["split"] == "validation"]
        best = min(evaluated, key=lambda row: row["loss"])
        assert (row["best"]["loss"], row["best"]["step"]) == (best["loss"], best["step"])
        differs |= max(evaluated, key=lambda row: row["accuracy"])["step"] != best["step"]
    assert differs


@pytest.mark.matrix
def test_a_single_seed_with_another_objective_is_a_run(tmp_path: Path) -> None:
    rest = "grid={'optimizer.learning_rate': (3e-2,)}, objective='loss'"
    (tmp_path / "sweep.py").write_text(f"def get_sweep():\n    return dict({rest})\n")
    length = ["--config.train.duration_steps=400", "--config.train.evaluate_every_steps=20"]
    assert sweep.main([*command(tmp_path, "--sweep", str(tmp_path / "sweep.py")), *length]) == 0
    (found,) = read_lines(tmp_path / "sweep" / "results.jsonl")
    assert found["folder"].startswith("trials/")
    assert not (tmp_path / "sweep" / found["folder"] / "members").exists()
    metrics = read_lines(tmp_path / "sweep" / found["folder"] / "metrics.jsonl")
    losses = {row["step"]: row["loss"] for row in metrics if row["split"] == "validation"}
    assert found["best"]["loss"] == losses[found["best"]["step"]] == min(losses.values())
    assert found["test"]["loss"] > 0


def test_without_a_result_there_is_no_winner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even if the run was evaluated before it diverged."""
    diverging = ["--config.optimizer.clip_norm=None", "--config.train.evaluate_every_steps=1"]
    grid = ["--grid", "optimizer.learning_rate=1e25"]
    assert sweep.main([*command(tmp_path), *grid, *diverging]) == 3
    (found,) = read_lines(tmp_path / "sweep" / "results.jsonl")
    assert found["status"] == "diverged"
    assert found["best"] is not None
    assert found["test"] is None
    assert "1 of 1 members diverged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--study", "../elsewhere"], "--study '../elsewhere': must be a name without '/'"),
        (["--study", "long" * 100], "of at most 200 characters"),
        (["--grid", "task.shift_pixels=1,20"], "task.shift_pixels = 20: must be less than"),
        (["--heartbeat", "0"], "--heartbeat 0: must be a whole number, at least 1"),
        (["--trials", "3"], "--trials: only with ranges"),
        (["--storage", "nowhere"], "--storage nowhere: must be the URL of a database"),
        (
            ["--sweep", "OBJECTIVE"],
            "train.objective = f1: the task does not evaluate f1; ",
        ),
        (["--sweep", "HALVING"], "halving: not with --storage"),
        (["--sweep", "SAMPLER"], "sampler: only with ranges"),
        (["--sweep", "PRUNING"], "pruner.percentile: only of kind 'percentile'"),
    ],
)
def test_errors_come_before_anything_is_written(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {
        "OBJECTIVE": "objective='f1'",
        "HALVING": "halving=dict(min_resource_fraction=0.1, reduction_factor=2)",
        "SAMPLER": "sampler='tpe'",
        "PRUNING": "pruner=dict(kind='halving', percentile=50)",
    }
    grid = [] if more[0] == "--grid" else ["--grid", "optimizer.learning_rate=1e-3,1e-2"]
    if more[0] == "--sweep":
        file = tmp_path / "sweep.py"
        rest = f"grid={{'optimizer.learning_rate': (1e-3, 1e-2)}}, {fields[more[1]]}"
        file.write_text(f"def get_sweep():\n    return dict({rest})\n")
        more, grid = ["--sweep", str(file)], []
    assert sweep.main([*command(tmp_path), *grid, *more]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_the_workers_arguments_contain_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    from rnn_jax.runtime.signals import StopSignal
    from rnn_jax.sweeping import study_run
    from rnn_jax.sweeping.command import StudyOptions

    started: list[tuple[list[str], dict[str, str]]] = []

    class Process:
        pid, returncode = os.getpid(), 0

        def __init__(self, command: list[str], *, env: dict[str, str], **more: Any) -> None:
            started.append((command, env))

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(study_run.subprocess, "Popen", Process)
    monkeypatch.setattr(study_run.os, "sched_setaffinity", lambda *arguments: None, raising=False)
    url = "postgresql://me:secret@host/study"
    assert study_run.run_workers(
        ["--storage", url, "--seeds=2"], StudyOptions(url, "s", 2, 10), StopSignal()
    ) == [
        0,
        0,
    ]
    for command, environment in started:
        assert not any("secret" in word for word in command)
        assert "--seeds=2" in command
        assert environment[study_run.STORAGE] == url


def test_options_of_a_study_need_a_storage(capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["--grid", "optimizer.learning_rate=1e-3,1e-2"]
    assert sweep.main([*COMMAND, *grid, "--workers", "2"]) == 2
    assert "--workers: only with --storage" in capsys.readouterr().err
