"""Waiting for the other processes of a run."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from rnn_jax.runtime.distributed import joining
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.processes import CLUSTERS, Processes

SLURM = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_NODELIST": "node1", "SLURM_PROCID": "0"}


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let JAX wait for ever, without a cluster; the times are short."""
    for cluster in CLUSTERS.values():
        for name in cluster:
            monkeypatch.delenv(name, raising=False)
    joined = threading.Event()
    monkeypatch.setattr(joining, "_initialize", lambda processes: joined.wait())
    monkeypatch.setattr(joining, "HINT_SECONDS", 0.1)
    monkeypatch.setattr(joining, "JOIN_TIMEOUT_SECONDS", 0.3)
    yield joined
    joined.set()


@pytest.fixture
def coordinator() -> Iterator[tuple[str, socket.socket]]:
    """Return the address of a listening socket, with one connection, and the socket."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        stack.enter_context(socket.create_connection(server.getsockname()))
        yield address, server


@pytest.mark.usefixtures("waiting")
def test_the_error_counts_the_processes_that_joined(
    coordinator: tuple[str, socket.socket], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError) as caught:
        joining.join(Processes(3, 0, coordinator[0]))
    hint = "runtime.process_count = 3 is the number of processes to start"
    assert str(caught.value).startswith(
        f"process 0 of 3: 1 of 3 processes of this run joined within 0.3 seconds; {hint}"
    )
    (line,) = capsys.readouterr().err.splitlines()
    began = "warning: process 0 of 3: 1 of 3 processes of this run joined within 0.1 seconds, still waiting; "
    assert line.startswith(began + hint)
    with socket.create_connection(coordinator[1].getsockname()):
        assert joining._joined(Processes(3, 0, coordinator[0])).startswith("process 0 of 3: 2 of 3 ")


@pytest.mark.usefixtures("waiting")
def test_in_a_step_of_slurm_the_hint_names_its_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        joining.join(Processes(3, 1))
    assert str(caught.value) == (
        "process 1 of 3: not all 3 processes of this run joined within 0.3 seconds; Slurm has 3 tasks here "
        "(by SLURM_STEP_NUM_TASKS); a single process needs --config.runtime.process_count=1, or "
        "srun --ntasks=1"
    )


def test_processes_that_join_in_time_get_no_hint(
    waiting: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting.set()
    joining.join(Processes(2, 0, "127.0.0.1:1"))
    assert capsys.readouterr().err == ""


def test_jax_waits_longer() -> None:
    """At its own timeout it aborts the process."""
    assert joining.JAX_TIMEOUT_SECONDS > joining.JOIN_TIMEOUT_SECONDS > joining.HINT_SECONDS
