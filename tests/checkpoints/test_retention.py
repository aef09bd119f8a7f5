"""When checkpoints are due, and which are retained."""

import contextlib
import math
import time
from pathlib import Path
from unittest import mock

import pytest

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.saver import Saver
from rnn_jax.checkpoints.store import SavedCheckpoint
from rnn_jax.config.objective import Direction, Objective
from rnn_jax.config.sections import Checkpoint


def test_when_checkpoints_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def saver(steps: int | None, seconds: float | None) -> contextlib.closing[Saver]:
        checkpoint = Checkpoint(every_steps=steps, every_seconds=seconds, keep_latest=1, keep_best=1)
        objective, synchronizer = Objective("metric", "max"), mock.Mock(is_single=True)
        return contextlib.closing(Saver(tmp_path, checkpoint, objective, synchronizer))

    with saver(5, 60.0) as both, saver(None, None) as neither:
        assert [step for step in range(1, 12) if both.is_due(step)] == [5, 10]
        later = time.perf_counter() + 60
        monkeypatch.setattr(time, "perf_counter", lambda: later)
        assert both.is_due(1)
        assert not both.is_planned(1)
        assert not neither.is_due(5)


def expired(
    metrics: list[float | None], *, latest: int, best: int, direction: Direction = "max"
) -> list[int]:
    saved = [
        SavedCheckpoint(step, None if value is None else {"metric": value})
        for step, value in enumerate(metrics)
    ]
    settings = Checkpoint(every_steps=None, every_seconds=None, keep_latest=latest, keep_best=best)
    return store.expired(saved, settings, Objective("metric", direction))


def test_the_latest_and_the_best_are_retained() -> None:
    assert expired([0.1, 0.9, 0.2, 0.3, 0.4], latest=2, best=1) == [0, 2]
    assert expired([0.1, 0.9, 0.2, 0.3, 0.4], latest=1, best=1, direction="min") == [1, 2, 3]
    assert expired([0.1, 0.9, 0.2, 0.3, 0.4], latest=1, best=2) == [0, 2, 3]


def test_the_latest_planned_one_is_retained() -> None:
    saved = [SavedCheckpoint(step, None, is_planned=step in (1, 2)) for step in range(1, 6)]
    settings = Checkpoint(every_steps=None, every_seconds=None, keep_latest=1, keep_best=1)
    assert store.expired(saved, settings, Objective("metric", "max")) == [1, 3, 4]


def test_a_checkpoint_to_resume_from_keeps_the_best_of_its_time() -> None:
    """Where the latest one is damaged, the one before it must be valid, with its own best checkpoint."""
    metrics = {20: 0.5, 40: 0.3, 50: 0.4, 60: 0.9}
    best_steps = {20: 20, 40: 20, 50: 20, 60: 60}
    saved = [SavedCheckpoint(step, {"metric": metrics[step]}, True, best_steps[step]) for step in metrics]
    settings = Checkpoint(every_steps=None, every_seconds=None, keep_latest=2, keep_best=1)
    assert store.expired(saved, settings, Objective("metric", "max")) == [40]


def test_of_equal_ones_the_later_is_the_best() -> None:
    assert expired([0.1, 0.5, 0.5, 0.5, 0.2], latest=1, best=1) == [0, 1, 2]


def test_the_loss_decides_between_equal_accuracies() -> None:
    objective = Objective("accuracy", "max", ties=(("loss", "min"),))
    found = [(1.0, 0.5), (1.0, 0.1), (0.9, 0.01), (1.0, 0.3), (0.8, 0.4)]
    saved = [SavedCheckpoint(step, {"accuracy": a, "loss": loss}) for step, (a, loss) in enumerate(found)]
    for count, kept in ((1, [1]), (2, [1, 3]), (3, [0, 1, 3])):
        settings = Checkpoint(every_steps=None, every_seconds=None, keep_latest=1, keep_best=count)
        assert store.expired(saved, settings, objective) == sorted({0, 1, 2, 3} - {*kept})


def test_one_without_a_metric_is_never_the_best() -> None:
    assert expired([math.nan, None, 0.1, math.nan, None], latest=1, best=1) == [0, 1, 3]
    assert expired([None, None, None], latest=1, best=1) == [0, 1]
