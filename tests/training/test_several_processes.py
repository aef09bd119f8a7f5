"""Two processes of one run, on this machine: the bits of one process with two devices."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from rnn_jax.main import main
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime import devices
from rnn_jax.runtime.config import load_config
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import Team
from rnn_jax.runtime.run_folder import OF_ONE_START
from rnn_jax.runtime.schema import validate
from rnn_jax.training import checkpoint, execution, joining
from rnn_jax.training.agreement import Agreement
from rnn_jax.training.loop import train

ROOT = Path(__file__).parents[2]
SMALL = {
    "model.hidden_size": 6,
    "optimizer.name": "sgd",
    "optimizer.schedule": "constant",
    "optimizer.warmup_steps": None,
    "optimizer.warmup_epochs": None,
    "log.tensorboard": False,
    "log.every_steps": 10,
    "runtime.allow_device_change": False,
}
IMAGES = (
    "configs/digits.py:smoke",
    SMALL
    | {
        "dataset.examples": 60,
        "dataset.batch_size": 13,  # the last row of the second process is filled up
        "train.duration_steps": 100,
        "train.evaluate_every_steps": 50,
    },
)
TEXT = (
    "configs/shakespeare.py:smoke",
    SMALL
    | {
        "dataset.batch_size": 5,
        "model.dropout": 0.2,
        "train.duration_steps": 60,
        "train.evaluate_every_steps": 20,
    },
)
Job = tuple[str, dict[str, Any]]


def start(job: Job, folder: Path, log: Path, **runtime: object) -> "subprocess.Popen[bytes]":
    """A process of `python -m rnn_jax.main`."""
    values = job[1] | {f"runtime.{key}": value for key, value in runtime.items()}
    command = [sys.executable, "-m", "rnn_jax.main", "--config", job[0], "--workdir", str(folder)]
    command += [f"--config.{key}={value}" for key, value in values.items()]
    one_device = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}
    with log.open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, env=one_device, stdout=output, stderr=output)


def start_two(job: Job, folder: Path) -> list["subprocess.Popen[bytes]"]:
    """Two of them that train one run; what they say is beside its folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    return [
        start(job, folder, log_of(folder, index), processes=2, process=index, coordinator=place)
        for index in (0, 1)
    ]


def log_of(folder: Path, process: int) -> Path:
    return folder.with_name(f"{folder.name}-{process}.log")


def ends(folder: Path, processes: Sequence["subprocess.Popen[bytes]"]) -> list[int]:
    try:
        return [process.wait(120) for process in processes]
    finally:
        for process in processes:
            process.kill()
        for index in range(len(processes)):
            print(log_of(folder, index).read_text())


def train_alone(job: Job, folder: Path, **changes: Any) -> dict[str, Any]:
    """The same in this process, with two devices."""
    config = load_config(job[0], job[1] | {"runtime.devices": 2} | changes)
    return train(config.to_dict(), folder)


def assert_equal(one: Path, other: Path) -> None:
    """The latest checkpoint has the same step and the same bits, and the same was logged."""
    found, expected = (checkpoint.find(folder / "checkpoints").path for folder in (one, other))
    assert found.name == expected.name
    read = [checkpoint.read(path) for path in (found, expected)]
    jax.tree.map(np.testing.assert_array_equal, *(part["parameters"] for part in read))
    jax.tree.map(np.testing.assert_array_equal, *(part["carry"] for part in read))
    logged = [(folder / "metrics.jsonl").read_text() for folder in (one, other)]
    assert logged[0] == logged[1]


def test_two_processes_have_the_bits_of_one_with_two_devices(tmp_path: Path) -> None:
    two = tmp_path / "two"
    assert ends(two, start_two(IMAGES, two)) == [0, 0]
    train_alone(IMAGES, tmp_path / "one")
    assert_equal(two, tmp_path / "one")
    summary = json.loads((two / "summary.json").read_text())
    assert (summary["status"], summary["devices"]) == ("finished", "2 × CPU in 2 processes")
    # One process speaks.
    assert "best validation" in log_of(two, 0).read_text()
    assert "validation" not in log_of(two, 1).read_text()


def test_a_signal_to_one_stops_both_at_the_same_step(tmp_path: Path) -> None:
    """One checkpoint is left, from which one process with two devices goes on."""
    folder = tmp_path / "two"
    job = IMAGES[0], IMAGES[1] | {"train.duration_steps": 90_000, "train.evaluate_every_steps": 80_000}
    processes = start_two(job, folder)
    wait_until_logged(folder, 20)
    processes[1].send_signal(signal.SIGTERM)
    assert ends(folder, processes) == [143, 143]
    (step,) = checkpoint.steps(folder / "checkpoints")
    assert step >= 20
    assert f"SIGTERM after step {step:,}, checkpoint written" in log_of(folder, 0).read_text()
    settings = json.loads((folder / "config.json").read_text())
    assert [settings["runtime"][key] for key in OF_ONE_START] == [None] * 3
    settings["train"]["duration_steps"] = step + 30  # as long as it takes to see that it goes on
    (folder / "config.json").write_text(json.dumps(settings))
    train_alone(job, folder, **{"train.duration_steps": step + 30})
    train_alone(job, tmp_path / "one", **{"train.duration_steps": step + 30})
    assert_equal(folder, tmp_path / "one")


def test_a_run_goes_on_in_two_processes_and_passes_over_what_is_damaged(tmp_path: Path) -> None:
    """A language model, whose rows, and their carry, lie with one process or the other."""
    folder = tmp_path / "two"
    job = TEXT[0], TEXT[1] | {"checkpoint.keep_latest": 3}
    train_alone(job, folder, **{"train.duration_steps": 40})
    (damaged, *_) = (folder / "checkpoints" / "00000040" / "state" / "d").iterdir()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert ends(folder, start_two(job, folder)) == [0, 0]
    assert "going on after step 20" in log_of(folder, 0).read_text()
    assert (folder / "checkpoints" / "invalid-00000040").exists()
    train_alone(job, tmp_path / "one")
    assert_equal(folder, tmp_path / "one")


def test_processes_that_do_not_mean_the_same_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    where = devices.build(1, devices=1, matmul_precision="float32", allow_device_change=False)
    agreement = Agreement(where)
    agreement.same(3, "config")
    for other in (2, 4):
        monkeypatch.setattr(
            agreement, "largest", lambda own, other=other: max(own, -other if own < 0 else other)
        )
        with pytest.raises(UserError, match="the processes of this run do not see the same config"):
            agreement.same(3, "config")


def test_a_first_process_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "JOINED_IN_SECONDS", 0.3)
    with socket.socket() as taken:  # bound, and not listening: nobody else can be there
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=r"process 0 was not there within 0\.3 seconds"):
            joining.join(Team(2, 1, place))


def test_devices_are_shared_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    together: dict[str, Any] = {"processes": 2, "process": 0, "coordinator": "127.0.0.1:1"}
    with pytest.raises(UserError, match=r"runtime\.devices = 3: must be a multiple of the 2 processes"):
        devices.build(1, devices=3, matmul_precision="float32", allow_device_change=False, **together)


def test_others_restore_what_the_first_one_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    where = devices.build(1, devices=1, matmul_precision="float32", allow_device_change=False)
    asked: list[int | None] = []

    def restore(at: int | None) -> Any:
        asked.append(at)
        return SimpleNamespace(step=40), None, []

    Agreement(where).as_the_first_restores(restore)
    follower = Agreement(where._replace(team=Team(2, 1, "127.0.0.1:1")))
    monkeypatch.setattr(follower, "largest", lambda own: max(own, 40))
    follower.as_the_first_restores(restore)
    assert asked == [None, 40]


@pytest.mark.parametrize(
    ("key", "value", "is_the_same"),
    [
        ("runtime.process", 1, True),
        ("dataset.data_dir", "elsewhere", True),
        ("checkpoint.every_steps", 7, False),
        ("log.every_steps", 7, False),
        ("runtime.matmul_precision", "bfloat16", False),
        ("model.implementation", "scan", False),
    ],
)
def test_what_processes_must_have_in_common(key: str, value: Any, is_the_same: bool) -> None:
    together = {"runtime.processes": 2, "runtime.process": 0, "runtime.coordinator": "a:1"}
    one, other = (
        validate(load_config(IMAGES[0], IMAGES[1] | together | changes))[0] for changes in ({}, {key: value})
    )
    assert (execution._hash(one) == execution._hash(other)) is is_the_same


def test_processes_share_a_folder_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    together = ["--config.runtime.processes=2", "--config.runtime.process=0"]
    command = ["--config", IMAGES[0], *together, "--config.runtime.coordinator=127.0.0.1:1"]
    assert main(command) == 2
    assert "--workdir is missing" in capsys.readouterr().err


def wait_until_logged(folder: Path, step: int) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        file = folder / "metrics.jsonl"
        if file.exists() and any(row["step"] >= step for row in read_lines(file)):
            return
        time.sleep(0.02)
    raise AssertionError(f"{folder}: step {step} was not logged")
