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
    assert "going on after step" in (folder / "output.txt").read_text()
    evaluated = [row for row in read_lines(folder / "metrics.jsonl") if row["split"] == "validation"]
    assert [row["step"] for row in evaluated] == [1000, 2000, 3000]
    assert max(row["accuracy"] for row in evaluated) == found[0]["best"]["accuracy"]
    report = (tmp_path / "sweep" / "report.md").read_text()
    assert "optimizer.learning_rate = 1e+25, seed 0): the loss or its gradient was not finite" in report
    capsys.readouterr()
    assert sweep.main(typed) == 0  # nothing is trained or evaluated again
    assert read_lines(tmp_path / "sweep" / "results.jsonl") == found
    assert "trial 0" not in capsys.readouterr().out


def test_several_workers_and_populations_of_seeds(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    short = ["--config.train.duration_steps=40", "--config.train.evaluate_every_steps=20"]
    grid = ["--grid", "optimizer.learning_rate=1e-3,3e-2", "--seeds", "2"]
    assert sweep.main(command(tmp_path, *grid, *short, "--workers", "2")) == 0
    printed = capfd.readouterr().out
    assert printed.count("2, all points of a grid") == 1  # not by the workers
    assert printed.count("trial 0: optimizer.learning_rate = 0.001") == 1
    found = read_lines(tmp_path / "sweep" / "results.jsonl")
    assert [(row["trial"], row["seed"], row["status"]) for row in found] == [
        (trial, seed, "finished") for trial in (0, 1) for seed in (0, 1)
    ]
    tested: list[Any] = [row["point"] for row in found if row["test"] is not None]
    assert tested == [tested[0]] * 2
    for row in found:
        folder = tmp_path / "sweep" / row["folder"]
        assert (folder / "metrics.jsonl").exists()
        assert folder.parent.name == "members"


def test_a_sweep_may_choose_another_objective_than_the_task(tmp_path: Path) -> None:
    """Its best evaluation is not that of the task's objective."""
    rest = "grid={'optimizer.learning_rate': (3e-2,)}, objective='loss'"
    (tmp_path / "sweep.py").write_text(f"def get_sweep():\n    return dict({rest})\n")
    length = ["--config.train.duration_steps=400", "--config.train.evaluate_every_steps=20"]
    assert sweep.main([*command(tmp_path, "--sweep", str(tmp_path / "sweep.py")), *length]) == 0
    (found,) = read_lines(tmp_path / "sweep" / "results.jsonl")
    metrics = read_lines(tmp_path / "sweep" / found["folder"] / "metrics.jsonl")
    evaluated = [row for row in metrics if row["split"] == "validation"]
    best = min(evaluated, key=lambda row: row["loss"])
    assert max(evaluated, key=lambda row: row["accuracy"])["step"] != best["step"]
    assert (found["best"]["loss"], found["best"]["step"]) == (best["loss"], best["step"])
    assert found["test"]["loss"] > 0


def test_without_a_result_there_is_no_winner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even if members were evaluated before they diverged."""
    diverging = ["--config.optimizer.clip_norm=None", "--config.train.evaluate_every_steps=1"]
    grid = ["--grid", "optimizer.learning_rate=1e25,1e26"]
    assert sweep.main([*command(tmp_path), *grid, *diverging]) == 3
    found = read_lines(tmp_path / "sweep" / "results.jsonl")
    assert [row["status"] for row in found] == ["diverged", "diverged"]
    assert any(row["best"] for row in found)
    assert all(row["test"] is None for row in found)
    assert "2 of 2 members diverged" in capsys.readouterr().out


def test_another_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["--grid", "optimizer.learning_rate=1e-3", "--config.train.duration_steps=1000"]
    assert sweep.main(command(tmp_path, *grid)) == 0
    other = str(tmp_path / "other")
    assert sweep.main([*command(tmp_path, *grid), "--workdir", other]) == 2
    assert f"error: {other}: not the folder of study digits-smoke" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--study", "../elsewhere"], "--study '../elsewhere': must be a name without '/'"),
        (["--study", "long" * 100], "of at most 200 characters"),
        (["--grid", "task.shift_pixels=1,20"], "task.shift_pixels = 20: would move images"),
        (["--heartbeat", "0"], "--heartbeat 0: must be a whole number, at least 1"),
        (["--trials", "3"], "--trials: only with ranges"),
        (["--storage", "nowhere"], "--storage nowhere: must be the URL of a database"),
        (
            ["--sweep", "OBJECTIVE"],
            "objective = 'f1': validation has no such metric; it has loss, acc",
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
    from rnn_jax.sweeping import workers
    from rnn_jax.sweeping.command import StudyOptions

    started: list[tuple[list[str], dict[str, str]]] = []

    class Process:
        pid, returncode = os.getpid(), 0

        def __init__(self, command: list[str], *, env: dict[str, str], **more: Any) -> None:
            started.append((command, env))

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(workers.subprocess, "Popen", Process)
    monkeypatch.setattr(workers.os, "sched_setaffinity", lambda *arguments: None, raising=False)
    url = "postgresql://me:secret@host/study"
    assert workers.run_workers(
        ["--storage", url, "--seeds=2"], StudyOptions(url, "s", 2, 10), StopSignal()
    ) == [
        0,
        0,
    ]
    for command, environment in started:
        assert not any("secret" in word for word in command)
        assert "--seeds=2" in command
        assert environment[workers.STORAGE] == url


def test_options_of_a_study_need_a_storage(capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["--grid", "optimizer.learning_rate=1e-3,1e-2"]
    assert sweep.main([*COMMAND, *grid, "--workers", "2"]) == 2
    assert "--workers: only with --storage" in capsys.readouterr().err
