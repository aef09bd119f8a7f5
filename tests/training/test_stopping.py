"""A signal in any phase of a run: it ends in good order, and what goes on is what was never stopped."""

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_jax.reporting.plain import PlainConsole
from rnn_jax.runtime.lock import NAME, LockedError, locked
from rnn_jax.runtime.schema import Config
from rnn_jax.training import cadence, checkpoint, loop
from rnn_jax.training.loop import train

Tiny = Callable[..., Config]
FULL = {"optimizer.average_decay": 0.9, "checkpoint.every_steps": 5}


def quiet() -> PlainConsole:
    return PlainConsole(io.StringIO())


def lasting(summary: dict[str, Any]) -> dict[str, Any]:
    measured = ("wall_seconds", "compile_seconds", "examples_per_second")
    return {name: value for name, value in summary.items() if name not in measured}


@pytest.fixture(scope="module")
def straight(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("straight") / "run"
    return folder, train(tiny(FULL), folder, console=quiet())


def signalling(function: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
    """The function, before which a signal comes where `when` says so of its arguments."""

    def instead(*arguments: Any, **more: Any) -> Any:
        if when(*arguments):
            os.kill(os.getpid(), signal.SIGTERM)
        return function(*arguments, **more)

    return instead


def goes_on(config: Config, folder: Path, straight: tuple[Path, dict[str, Any]]) -> None:
    """Asserts that a stopped run ends as the straight one."""
    summary = train(config, folder, console=quiet())
    assert lasting(summary) == lasting(straight[1])
    assert (folder / "metrics.jsonl").read_bytes() == (straight[0] / "metrics.jsonl").read_bytes()
    assert not (folder / NAME).exists()


@pytest.mark.parametrize("phase", ["build", "load"])
def test_before_training_it_ends_at_once(
    tiny: Tiny, straight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(loop, phase, signalling(getattr(loop, phase), lambda *_: True))
        summary = train(tiny(FULL), tmp_path / "run", console=quiet())
    assert (summary["status"], summary["reason"], summary["step"]) == ("interrupted", "SIGTERM", 0)
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    goes_on(tiny(FULL), tmp_path / "run", straight)


def test_while_a_run_goes_on_its_summary_stays(
    tiny: Tiny, straight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(cadence, "evaluate", signalling(cadence.evaluate, lambda *_: True))
        train(config, folder, console=quiet())
    with monkeypatch.context() as patched:
        patched.setattr(loop, "load", signalling(loop.load, lambda *_: True))
        summary = train(config, folder, console=quiet())
    assert (summary["status"], summary["step"]) == ("interrupted", 4)
    goes_on(config, folder, straight)


@pytest.mark.parametrize("step", [4, 8, 12])
def test_an_evaluation_is_given_up_and_made_later(
    tiny: Tiny, straight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    evaluations = iter(range(4, 100, 4))
    with monkeypatch.context() as patched:
        stopped = signalling(cadence.evaluate, lambda *_: next(evaluations) == step)
        patched.setattr(cadence, "evaluate", stopped)
        summary = train(config, folder, console=quiet())
    assert (summary["status"], summary["step"]) == ("interrupted", step)
    found = checkpoint.find(folder / "checkpoints")
    assert (found.step, found.progress["evaluated_at"]) == (step, step - 4)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert not [row for row in rows if row["split"] == "validation" and row["step"] == step]
    goes_on(config, folder, straight)


def test_a_save_is_finished(
    tiny: Tiny, straight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write", signalling(checkpoint.write, lambda _, step, *__: step == 5))
        summary = train(config, folder, console=quiet())
    assert summary["status"] == "interrupted"
    assert checkpoint.find(folder / "checkpoints").step == summary["step"] >= 5
    goes_on(config, folder, straight)


def test_the_test_split_is_looked_at_later(
    tiny: Tiny, straight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(loop, "evaluate", signalling(loop.evaluate, lambda *_: True))
        summary = train(config, folder, console=quiet())
    assert (summary["status"], summary["step"], summary["test"]) == ("interrupted", 12, None)
    assert '"test"' not in (folder / "metrics.jsonl").read_text()
    goes_on(config, folder, straight)


def test_killed_while_the_figures_of_test_are_logged(tiny: Tiny, straight: Any, tmp_path: Path) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    train(config, folder, console=quiet())
    (folder / "summary.json").write_text(json.dumps({"status": "running"}))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "split": "te')
    goes_on(config, folder, straight)


def test_two_at_once_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(LockedError, match=f"process {os.getpid()} on"):
        train(tiny(), tmp_path / "run", console=quiet())
    assert not (tmp_path / "run" / "config.json").exists()
    assert train(tiny(), tmp_path / "run", console=quiet())["status"] == "finished"
