"""A signal in any phase of a run: it ends in good order, and what goes on is what was never stopped."""

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import lasting

from rnn_jax.checkpoints import store
from rnn_jax.config.schema import Config
from rnn_jax.reporting.console import Console
from rnn_jax.runtime.lock import NAME, LockedError, locked
from rnn_jax.training import run
from rnn_jax.training.program import Program
from rnn_jax.training.run import train

Tiny = Callable[..., Config]
FULL = {"optimizer.average_decay": 0.9, "checkpoint.every_steps": 5}


def quiet() -> Console:
    return Console(io.StringIO())


def stopped(
    config: Config, folder: Path, owner: Any, name: str, when: Callable[..., bool] = lambda *_: True
) -> dict[str, Any]:
    """The summary of a run to which a signal comes before a call of `owner.name`, where `when` says so."""
    function = getattr(owner, name)

    def instead(*arguments: Any, **more: Any) -> Any:
        if when(*arguments):
            os.kill(os.getpid(), signal.SIGTERM)
        return function(*arguments, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, instead)
        summary = train(config, folder, console=quiet())
    assert (summary["status"], summary["reason"]) == ("interrupted", "SIGTERM")
    return summary


def end_of(config: Config, folder: Path) -> tuple[dict[str, Any], bytes, bool]:
    """Goes on to the end: the summary, the metrics, and whether a lock is left."""
    summary = train(config, folder, console=quiet())
    return lasting(summary), (folder / "metrics.jsonl").read_bytes(), (folder / NAME).exists()


@pytest.fixture(scope="module")
def straight_end(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes, bool]:
    return end_of(tiny(FULL), tmp_path_factory.mktemp("straight") / "run")


@pytest.mark.parametrize(("owner", "phase"), [(run, "build"), (run, "load")])
def test_before_training_it_ends_at_once(
    tiny: Tiny, straight_end: Any, tmp_path: Path, owner: Any, phase: str
) -> None:
    summary = stopped(tiny(FULL), tmp_path / "run", owner, phase)
    assert summary["step"] == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    assert end_of(tiny(FULL), tmp_path / "run") == straight_end


def test_while_a_run_goes_on_its_summary_stays(tiny: Tiny, straight_end: Any, tmp_path: Path) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    stopped(config, folder, Program, "evaluate_members")
    assert stopped(config, folder, run, "load")["step"] == 4
    assert end_of(config, folder) == straight_end


@pytest.mark.parametrize("step", [4, 8, 12])
def test_an_evaluation_is_given_up_and_made_later(
    tiny: Tiny, straight_end: Any, tmp_path: Path, step: int
) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    evaluations = iter(range(4, 100, 4))
    summary = stopped(config, folder, Program, "evaluate_members", lambda *_: next(evaluations) == step)
    found = store.find(folder / "checkpoints")
    assert (summary["step"], found.step, found.progress["evaluated_at"]) == (step, step, step - 4)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert not [row for row in rows if row["split"] == "validation" and row["step"] == step]
    assert end_of(config, folder) == straight_end


def test_a_save_is_finished(tiny: Tiny, straight_end: Any, tmp_path: Path) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    summary = stopped(config, folder, store, "write", lambda _, step, *__: step == 5)
    assert store.find(folder / "checkpoints").step == summary["step"] >= 5
    assert end_of(config, folder) == straight_end


def test_the_test_split_is_looked_at_later(tiny: Tiny, straight_end: Any, tmp_path: Path) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    summary = stopped(config, folder, Program, "evaluate", lambda *given: given[2] == "test")
    assert (summary["step"], summary["test"]) == (12, None)
    assert '"test"' not in (folder / "metrics.jsonl").read_text()
    assert end_of(config, folder) == straight_end


def test_killed_while_the_figures_of_test_are_logged(tiny: Tiny, straight_end: Any, tmp_path: Path) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    train(config, folder, console=quiet())
    (folder / "summary.json").write_text(json.dumps({"status": "running"}))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "split": "te')
    assert end_of(config, folder) == straight_end


def test_two_at_once_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(LockedError, match=f"process {os.getpid()} on"):
        train(tiny(), tmp_path / "run", console=quiet())
    assert not (tmp_path / "run" / "config.json").exists()
    assert train(tiny(), tmp_path / "run", console=quiet())["status"] == "finished"
