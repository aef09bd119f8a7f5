"""Two processes of one run, on this machine: the bits of one process with two devices."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from rnn_jax.checkpoints import store
from rnn_jax.config.command_line import load_config
from rnn_jax.config.run_folder import NOT_STORED
from rnn_jax.config.schema import validate
from rnn_jax.main import main
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime import devices
from rnn_jax.runtime.distributed import joining
from rnn_jax.runtime.distributed.synchronization import Synchronizer
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import Processes
from rnn_jax.runtime.signals import Interrupted, StopSignal
from rnn_jax.training import session
from rnn_jax.training.run import train

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


def start_two(job: Job, folder: Path, other: Path | None = None) -> list["subprocess.Popen[bytes]"]:
    """Two of them that train one run, in one folder but for `other`; what they say is beside it."""
    place, seen = f"127.0.0.1:{free_port()}", (folder, other or folder)
    return [
        start(
            job, seen[index], log_of(folder, index), process_count=2, process_index=index, coordinator=place
        )
        for index in (0, 1)
    ]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


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


def ends_soon(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(5)
    finally:
        process.kill()


def train_alone(job: Job, folder: Path, **changes: Any) -> dict[str, Any]:
    """The same in this process, with two devices."""
    config = load_config(job[0], job[1] | {"runtime.devices": 2} | changes)
    return train(config.to_dict(), folder)


def assert_equal(one: Path, other: Path) -> None:
    """The latest checkpoint has the same step and the same bits, and the same was logged."""
    found, expected = (store.find(folder / "checkpoints") for folder in (one, other))
    assert found.step == expected.step
    for prefix in ("params/", "carry/"):
        jax.tree.map(np.testing.assert_array_equal, found.read(prefix), expected.read(prefix))
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


@pytest.mark.matrix
def test_a_signal_to_one_stops_both_at_the_same_step(tmp_path: Path) -> None:
    """One checkpoint is left, from which one process with two devices goes on."""
    folder = tmp_path / "two"
    job = IMAGES[0], IMAGES[1] | {"train.duration_steps": 90_000, "train.evaluate_every_steps": 80_000}
    processes = start_two(job, folder)
    wait_until_logged(folder, 20)
    processes[1].send_signal(signal.SIGTERM)
    assert ends(folder, processes) == [143, 143]
    (step,) = store.steps(folder / "checkpoints")
    assert step >= 20
    assert f"SIGTERM after step {step:,}, checkpoint written" in log_of(folder, 0).read_text()
    settings = json.loads((folder / "config.json").read_text())
    assert [settings["runtime"][key] for key in NOT_STORED] == [None] * 3
    settings["train"]["duration_steps"] = step + 30  # as long as it takes to see that it goes on
    (folder / "config.json").write_text(json.dumps(settings))
    train_alone(job, folder, **{"train.duration_steps": step + 30})
    train_alone(job, tmp_path / "one", **{"train.duration_steps": step + 30})
    assert_equal(folder, tmp_path / "one")


@pytest.mark.matrix
def test_a_run_goes_on_in_two_processes_and_passes_over_what_is_damaged(tmp_path: Path) -> None:
    """A language model, whose rows, and their carry, lie with one process or the other."""
    folder = tmp_path / "two"
    job = TEXT[0], TEXT[1] | {"checkpoint.keep_latest": 3}
    train_alone(job, folder, **{"train.duration_steps": 40})
    damaged = folder / "checkpoints" / "00000040" / "state.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert ends(folder, start_two(job, folder)) == [0, 0]
    assert "resuming after step 20" in log_of(folder, 0).read_text()
    assert (folder / "checkpoints" / "invalid-00000040").exists()
    train_alone(job, tmp_path / "one")
    assert_equal(folder, tmp_path / "one")


def test_processes_that_do_not_mean_the_same_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    synchronizer = Synchronizer(where)
    parted: list[bool] = []
    monkeypatch.setattr(jax.distributed, "shutdown", lambda: parted.append(True))
    synchronizer.require_equal(3, "config")
    assert not parted
    for other in (2, 4):
        monkeypatch.setattr(
            synchronizer, "maximum", lambda own, other=other: max(own, -other if own < 0 else other)
        )
        with pytest.raises(UserError, match="the processes of this run do not have the same config"):
            synchronizer.require_equal(3, "config")
    assert len(parted) == 2  # JAX would abort whoever ends after the first one


def test_before_training_processes_find_out_that_they_share_no_folder(tmp_path: Path) -> None:
    job = IMAGES[0], IMAGES[1] | {"train.duration_steps": 90_000, "train.evaluate_every_steps": 80_000}
    folder, other = tmp_path / "one", tmp_path / "other"
    assert ends(folder, start_two(job, folder, other)) == [2, 2]
    for index in (0, 1):
        assert "do not have the same run folder: they need a shared one" in log_of(folder, index).read_text()
    assert {file.name for file in folder.iterdir()} == {"config.json", "dataset.json"}
    assert not other.exists()


@pytest.mark.parametrize("comes", [True, False])
def test_a_file_system_may_take_a_moment(
    comes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_jax.runtime.distributed.synchronization.VISIBLE_SECONDS", 5 if comes else 0.3)
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    follower = Synchronizer(where._replace(processes=Processes(2, 1, "127.0.0.1:1")))
    monkeypatch.setattr(follower, "maximum", lambda own: 17 if own == 0 else own)
    later = threading.Timer(0.5 if comes else 5, (tmp_path / ".17-shared.json").touch)
    later.start()
    if comes:
        follower.require_shared_folder(tmp_path)
    else:
        with pytest.raises(UserError, match="do not have the same run folder"):
            follower.require_shared_folder(tmp_path)
    later.cancel()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_first_process_while_it_waits(number: signal.Signals, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "two"
    place, log = f"127.0.0.1:{port}", log_of(folder, 0)
    process = start(IMAGES, folder, log, process_count=2, process_index=0, coordinator=place)
    wait_until_it_listens(port)
    process.send_signal(number)
    assert ends_soon(process) == 128 + number
    assert f"{number.name} before step 1. To resume:\nthe same commands\n" in log.read_text()
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["status"], summary["reason"]) == ("interrupted", number.name)
    assert not (folder / ".lock").exists()


def test_a_signal_ends_another_process_while_it_waits_in_jax(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:  # which is there, and does not respond
        first.settimeout(60)
        place, log = f"127.0.0.1:{first.getsockname()[1]}", log_of(tmp_path / "two", 1)
        process = start(IMAGES, tmp_path / "two", log, process_count=2, process_index=1, coordinator=place)
        for _ in range(2):  # what looks whether the first one is there, and JAX
            first.accept()[0].close()
        process.send_signal(signal.SIGTERM)
        assert ends_soon(process) == 143
    assert "SIGTERM before step 1" in log.read_text()


def test_a_signal_ends_another_process_while_the_first_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "JOIN_TIMEOUT_SECONDS", 2)
    later = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    later.start()
    with StopSignal() as stop, pytest.raises(Interrupted), stop.raising():
        joining.join(Processes(2, 1, f"127.0.0.1:{free_port()}"))
    assert joining.is_waiting()
    while joining.is_waiting():  # no thread is left to the other tests
        time.sleep(0.1)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=rf"runtime\.coordinator = '{place}': .*Address already in use"):
            joining.join(Processes(2, 0, place))


def test_a_port_that_a_run_had_until_now_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()  # who closes first keeps the port for a minute
            assert client.recv(1) == b""
    with socket.socket() as strict, pytest.raises(OSError, match="Address already in use"):
        strict.bind(("127.0.0.1", port))
    joining._check_port(port, "")


def test_a_host_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(joining, "RESOLVE_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for index in (0, 1):
        with pytest.raises(UserError, match=r"'nobody:1234': unknown host within 0\.3 seconds"):
            joining.join(Processes(2, index, "nobody:1234"))
    monkeypatch.undo()
    with pytest.raises(UserError, match="unknown host"):
        joining.join(Processes(2, 1, "a..b:1234"))


def test_a_first_process_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "JOIN_TIMEOUT_SECONDS", 0.3)
    with socket.socket() as taken:  # bound, and not listening: nobody else can be there
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=r"process 0 does not respond within 0\.3 seconds"):
            joining.join(Processes(2, 1, place))


def test_devices_are_shared_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    together: dict[str, Any] = {"process_count": 2, "process_index": 0, "coordinator": "127.0.0.1:1"}
    with pytest.raises(UserError, match=r"runtime\.devices = 3: must be a multiple of the 2 processes"):
        devices.build_devices(1, devices=3, matmul_precision="float32", allow_device_change=False, **together)


def test_others_restore_what_the_first_one_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    asked: list[int | None] = []

    def restore(at: int | None) -> Any:
        asked.append(at)
        return SimpleNamespace(step=40), None, []

    Synchronizer(where).restore_same(restore)
    follower = Synchronizer(where._replace(processes=Processes(2, 1, "127.0.0.1:1")))
    monkeypatch.setattr(follower, "maximum", lambda own: max(own, 40))
    follower.restore_same(restore)
    assert asked == [None, 40]


@pytest.mark.parametrize(
    ("key", "value", "is_the_same"),
    [
        ("runtime.process_index", 1, True),
        ("dataset.data_dir", "elsewhere", True),
        ("checkpoint.every_steps", 7, False),
        ("log.every_steps", 7, False),
        ("runtime.matmul_precision", "bfloat16", False),
        ("model.implementation", "scan", False),
    ],
)
def test_what_processes_must_have_in_common(key: str, value: Any, is_the_same: bool) -> None:
    together = {"runtime.process_count": 2, "runtime.process_index": 0, "runtime.coordinator": "a:1"}
    one, other = (
        validate(load_config(IMAGES[0], IMAGES[1] | together | changes))[0] for changes in ({}, {key: value})
    )
    assert (session._hash_of_config(one) == session._hash_of_config(other)) is is_the_same


def test_processes_share_a_folder_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    together = ["--config.runtime.process_count=2", "--config.runtime.process_index=0"]
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


def wait_until_it_listens(port: int) -> None:
    """Until the first process waits in JAX for the others."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"nobody listens at port {port}")
