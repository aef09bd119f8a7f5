"""Exit statuses and messages that all commands share, and the dispatcher."""

import importlib
import importlib.metadata
import signal
import subprocess
import sys

import pytest

from rnn_jax import __main__ as dispatcher
from rnn_jax import predict
from rnn_jax.runtime import command
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.runtime.signals import Interrupted


def status_of(error: BaseException) -> int:
    """The exit status of a command that raises an error."""
    with run_command([]) as running:
        raise error
    return running.exit_status


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (CheckpointError("no checkpoint"), 4, "error: no checkpoint\n"),
        (MemoryError(), 5, "error: out of memory"),
        (KeyboardInterrupt(), 130, ""),
        (Interrupted(signal.SIGTERM), 143, ""),
    ],
)
def test_expected_errors_end_in_a_message_and_a_status(
    error: BaseException, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(error) == status
    out, err = capsys.readouterr()
    assert (out, err[: len(message)]) == ("", message)
    assert bool(message) == bool(err)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        status_of(ZeroDivisionError())


def test_an_error_of_one_of_several_processes_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX's own exit handler would wait for the other processes, and lose the status."""
    ended: list[int] = []
    monkeypatch.setattr("jax.distributed.is_initialized", lambda: True)
    monkeypatch.setattr(command.os, "_exit", ended.append)
    status_of(CheckpointError("no checkpoint"))
    assert ended == [4]


def test_without_a_command_the_commands_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rnn_jax"])
    assert dispatcher.main() == 0
    listed = capsys.readouterr().out
    for name in ("main", "sweep", "predict", "generate", "report", "draw"):
        assert f"\n  {name} " in listed
    assert predict.__doc__ is not None
    assert predict.__doc__.partition("\n")[0] in listed


def test_an_unknown_command_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rnn_jax", "predit"])
    assert dispatcher.main() == 2
    assert capsys.readouterr().err == "error: predit: no such command; did you mean predict?\n"
    monkeypatch.setattr(sys, "argv", ["rnn_jax", "--versoin"])
    assert dispatcher.main() == 2
    assert capsys.readouterr().err == "error: --versoin: no such command; did you mean --version?\n"


@pytest.mark.parametrize("name", ["", *dispatcher.commands()])
def test_every_command_shows_the_version(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rnn_jax", "--version"])
    if name:
        with pytest.raises(SystemExit) as end:
            importlib.import_module(f"rnn_jax.{name}").main(["--version"])
        assert end.value.code == 0
    else:
        assert dispatcher.main() == 0
    assert capsys.readouterr().out == f"rnn_jax {importlib.metadata.version('rnn-jax-research')}\n"


@pytest.mark.parametrize("name", dispatcher.commands())
def test_a_misspelt_version_is_an_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = ["--workdir=here", "--verison"] if name in ("predict", "generate", "draw") else ["--verison"]
    assert importlib.import_module(f"rnn_jax.{name}").main(inputs) == 2
    assert "error: --verison: no such flag; did you mean --version?" in capsys.readouterr().err


def test_the_dispatcher_runs_the_command() -> None:
    command_line = [sys.executable, "-m", "rnn_jax", "predict", "--workdir"]
    done = subprocess.run(command_line, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: argument --workdir: expected one argument")
