"""The loop: a run that is cut anywhere and resumed is the run that was not."""

import errno
import io
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tiny import lasting

from rnn_jax.checkpoints import store
from rnn_jax.config.schema import Config
from rnn_jax.reporting import log as records_of_runs
from rnn_jax.reporting.console import Console
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError, StorageError, UserError
from rnn_jax.runtime.lock import LockedError, locked
from rnn_jax.training import run
from rnn_jax.training.build import build
from rnn_jax.training.program import Program, load
from rnn_jax.training.run import train

Tiny = Callable[..., Config]


class Interrupting(Console):
    """Sends this process a signal once `step` updates are done."""

    def __init__(self, step: int | None = None, sent: signal.Signals = signal.SIGTERM) -> None:
        self.text = io.StringIO()
        super().__init__(self.text)
        self._step, self._sent = step, sent

    def tick(self, step: int) -> None:
        super().tick(step)
        if step == self._step:
            os.kill(os.getpid(), self._sent)


def leaves(config: Config, folder: Path) -> list[np.ndarray]:
    """Every leaf of the latest checkpoint."""
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    state, _ = load(build(config), where).restore(store.find(folder / "checkpoints"))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))]


FULL = {"optimizer.average_decay": 0.9, "task.label_smoothing": 0.1, "checkpoint.every_steps": 5}


@pytest.fixture(scope="module")
def straight(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("straight") / "run"
    return folder, train(tiny(FULL), folder, console=Interrupting())


@pytest.mark.parametrize("cuts", [[1], [3], [4], [7], [11], [2, 5, 8]])
def test_cut_anywhere_and_resumed_equals_straight_bit_for_bit(
    tiny: Tiny, straight: tuple[Path, dict[str, Any]], tmp_path: Path, cuts: list[int]
) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    for cut in cuts:
        stopped = train(config, folder, console=Interrupting(cut))
        assert (stopped["status"], stopped["reason"], stopped["step"]) == ("interrupted", "SIGTERM", cut)
        assert stopped["test"] is None
    summary = train(config, folder, console=Interrupting())
    before, expected = straight
    for found, wanted in zip(leaves(config, folder), leaves(config, before), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert (folder / "metrics.jsonl").read_bytes() == (before / "metrics.jsonl").read_bytes()
    assert lasting(summary) == lasting(expected)


def test_killed_after_an_evaluation_and_before_its_save(
    tiny: Tiny, straight: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder, saved = tiny(FULL), tmp_path / "run", store.write

    def dying(folder: Path, step: int, *rest: Any) -> None:
        if step == 8:
            raise KeyboardInterrupt
        saved(folder, step, *rest)

    monkeypatch.setattr(store, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        train(config, folder, console=Interrupting())
    monkeypatch.undo()
    summary = train(config, folder, console=Interrupting())
    assert (folder / "metrics.jsonl").read_bytes() == (straight[0] / "metrics.jsonl").read_bytes()
    assert lasting(summary) == lasting(straight[1])


def test_the_summary_says_what_the_run_came_to(straight: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = straight
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["status"] == "finished"
    assert summary["step"] == 12
    assert summary["dataset"]["name"] == "synthetic"
    assert [summary["dataset"][split] for split in ("train", "validation", "test")] == [40, 10, 10]
    assert summary["best"]["step"] in (4, 8, 12)
    assert {"loss", "accuracy"} <= set(summary["test"])
    assert summary["compile_seconds"] > 0
    assert summary["examples_per_second"] > 0
    assert (folder / "curves.png").stat().st_size > 1000


def test_best_is_the_last_of_equal_evaluations(tiny: Tiny, tmp_path: Path) -> None:
    # A rate of 0 learns nothing: every evaluation is a tie, and the last is the best.
    summary = train(tiny({"optimizer.learning_rate": 0.0}), tmp_path / "run", console=Interrupting())
    assert summary["best"]["step"] == 12


def test_test_figures_are_the_best_checkpoints(straight: tuple[Path, dict[str, Any]], tiny: Tiny) -> None:
    from rnn_jax.inference.evaluation import evaluate_run

    folder, summary = straight
    found = evaluate_run(tiny(FULL), folder, "best")
    assert found.step == summary["best"]["step"]
    assert found.metrics["test"] == summary["test"]
    assert found.metrics["validation"]["accuracy"] == summary["best"]["accuracy"]
    assert found.predictions is not None
    wrong = (found.predictions.labels != found.predictions.probabilities.argmax(axis=1)).sum()
    assert len(found.predictions.mistakes.labels) == wrong
    assert np.trace(found.predictions.confusion) == 10 - wrong
    assert evaluate_run(tiny(FULL), folder, "latest").step == 12


def test_a_finished_run_is_not_trained_again(
    straight: tuple[Path, dict[str, Any]], tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_nothing(*_: Any) -> None:
        raise AssertionError("a finished run was started again")

    monkeypatch.setattr(run, "load", load_nothing)
    assert train(tiny(FULL), straight[0], console=Interrupting()) == straight[1]


CONSTANT = {"optimizer.schedule": "constant", "optimizer.final_fraction": None}


def test_a_longer_training_goes_on_where_the_schedule_is_constant(tiny: Tiny, tmp_path: Path) -> None:
    short, longer, whole = tiny(CONSTANT | {"train.duration_steps": 8}), tiny(CONSTANT), tmp_path / "whole"
    train(short, tmp_path / "run", console=Interrupting())
    summary = train(longer, tmp_path / "run", console=Interrupting())
    assert summary["step"] == 12
    train(longer, whole, console=Interrupting())
    for found, wanted in zip(leaves(longer, tmp_path / "run"), leaves(longer, whole), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_stops_early_after_so_many_evaluations_without_improvement(tiny: Tiny, tmp_path: Path) -> None:
    changes = {"optimizer.learning_rate": 0.0, "train.early_stopping_patience": 1}
    summary = train(tiny(changes), tmp_path / "run", console=Interrupting())
    assert summary["status"] == "finished"
    assert summary["step"] == 8


DIVERGING = CONSTANT | {
    "optimizer.learning_rate": 1e38,
    "optimizer.clip_norm": None,
    "optimizer.weight_decay": None,
}


def test_divergence_ends_the_run_and_says_where(tiny: Tiny, tmp_path: Path) -> None:
    summary = train(tiny(DIVERGING), tmp_path / "run", console=Interrupting())
    assert summary["status"] == "diverged"
    assert "not finite at update" in summary["reason"]
    assert summary["test"] is None
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        assert all(
            value is None or math.isfinite(value) for value in json.loads(line).values() if value != "train"
        )


def test_another_number_of_devices_is_refused_unless_allowed(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny(), folder, console=Interrupting(3))
    with pytest.raises(UserError, match=r"(?s)trained on 1 .*runtime\.devices=1"):
        train(tiny({"runtime.devices": 2}), folder, console=Interrupting())
    allowed = {"runtime.devices": 2, "runtime.allow_device_change": True}
    assert train(tiny(allowed), folder, console=Interrupting())["status"] == "finished"


def test_two_devices_resume_bit_for_bit_as_well(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny(FULL | {"runtime.devices": 2})
    train(config, tmp_path / "straight", console=Interrupting())
    train(config, tmp_path / "cut", console=Interrupting(7))
    assert train(config, tmp_path / "cut", console=Interrupting())["status"] == "finished"
    for found, wanted in zip(
        leaves(config, tmp_path / "cut"), leaves(config, tmp_path / "straight"), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("ways", [("scan", "fused"), ("fused", "scan")])
def test_an_implementation_goes_on_from_the_others_checkpoint(
    tiny: Tiny, straight: tuple[Path, dict[str, Any]], tmp_path: Path, ways: tuple[str, str]
) -> None:
    first, second = (tiny(FULL | {"model.implementation": way}) for way in ways)
    train(first, tmp_path / "run", console=Interrupting(6))
    summary = train(second, tmp_path / "run", console=Interrupting())
    before, expected = straight
    assert summary["status"] == "finished"
    np.testing.assert_allclose(summary["test"]["loss"], expected["test"]["loss"], rtol=1e-4)
    for found, wanted in zip(leaves(second, tmp_path / "run"), leaves(second, before), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-4)


def test_test_is_not_looked_at_when_it_is_not_reported(tiny: Tiny, tmp_path: Path) -> None:
    summary = train(tiny({"train.report_test": False}), tmp_path / "run", console=Interrupting())
    assert summary["test"] is None
    assert '"test"' not in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_batch_accuracies_come_after_update_1_and_every_so_many_later(tiny: Tiny, tmp_path: Path) -> None:
    train(tiny({"log.batch_accuracy_every_steps": 5}), tmp_path / "run", console=Interrupting())
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    found = [row for row in rows if row["split"] == "batch"]
    assert [row["step"] for row in found] == [1, 6, 11]
    assert all(set(row) == {"step", "split", "accuracy"} for row in found)


def test_a_damaged_latest_checkpoint_costs_the_steps_since_the_one_before(
    tiny: Tiny, straight: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    config, folder = tiny(FULL), tmp_path / "run"
    train(config, folder, console=Interrupting(9))
    (folder / "checkpoints" / "00000009" / "manifest.json").write_text("")
    console = Interrupting()
    summary = train(config, folder, console=console)
    assert "00000009" in console.text.getvalue()
    assert lasting(summary) == lasting(straight[1])
    assert (folder / "metrics.jsonl").read_bytes() == (straight[0] / "metrics.jsonl").read_bytes()


def test_a_failure_is_written_down(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the building is on fire")

    monkeypatch.setattr(Program, "evaluate_members", fail)
    with pytest.raises(RuntimeError, match="fire"):
        train(tiny(), tmp_path / "run", console=Interrupting())
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "fire" in summary["reason"]


def test_data_that_cannot_be_had_leaves_no_folder_behind(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(config: Config) -> None:
        raise UserError("no data")

    monkeypatch.setattr(run, "build", refuse)
    with pytest.raises(UserError):
        train(tiny(), tmp_path / "run", console=Interrupting())
    assert not (tmp_path / "run").exists()


def test_devices_that_there_are_not_leave_no_folder_behind(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="devices"):
        train(tiny({"runtime.devices": 9}), tmp_path / "run", console=Interrupting())
    assert not (tmp_path / "run").exists()


def test_all_checkpoints_damaged_is_no_fresh_start(tiny: Tiny, tmp_path: Path) -> None:
    train(tiny(), tmp_path / "run", console=Interrupting(3))
    (tmp_path / "run" / "checkpoints" / "00000003" / "manifest.json").write_text("")
    with pytest.raises(CheckpointError):
        train(tiny(), tmp_path / "run", console=Interrupting())


def test_a_finished_run_that_is_lengthened_and_killed_goes_on(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, longer = tiny(CONSTANT | {"train.duration_steps": 8}), tiny(CONSTANT)
    train(short, tmp_path / "run", console=Interrupting())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "load", killed)
    with pytest.raises(KeyboardInterrupt):
        train(longer, tmp_path / "run", console=Interrupting())
    monkeypatch.undo()
    assert train(longer, tmp_path / "run", console=Interrupting())["step"] == 12


def test_a_place_that_cannot_be_written_any_more_is_a_failure_of_the_disk(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(records_of_runs, "write_all", refuse)
    with pytest.raises(StorageError, match=r"metrics\.jsonl: cannot be written"):
        train(tiny(), tmp_path / "run", console=Interrupting())


def test_a_member_of_a_sweep_is_not_trained_beside_it(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "members" / "3"
    folder.parent.mkdir(parents=True)
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    with locked(tmp_path / "sweep"), pytest.raises(LockedError, match="sweep: in use by process"):
        train(tiny(), folder, console=Interrupting())
    assert train(tiny(), folder, console=Interrupting())["status"] == "finished"
