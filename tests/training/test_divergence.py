"""What follows an update whose loss or gradient is not finite: an end, a skip, or a step back."""

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.checkpoints import store
from rnn_jax.config.schema import Config
from rnn_jax.reporting.console import Console
from rnn_jax.training import run
from rnn_jax.training.build import Job, build
from rnn_jax.training.run import train

Tiny = Callable[..., Config]
CONSTANT = {
    "optimizer.schedule": "constant",
    "optimizer.final_fraction": None,
    "optimizer.warmup_steps": None,
    "optimizer.warmup_epochs": None,
}
SKIP = CONSTANT | {"train.divergence": "skip", "train.divergence_limit": 3}
RESTORE = CONSTANT | {
    "train.divergence": "restore",
    "train.divergence_limit": 2,
    "train.divergence_rate_factor": 0.5,
}


def spoiling(monkeypatch: pytest.MonkeyPatch, is_spoilt: Callable[[Any, Any], Any]) -> None:
    """Makes the loss infinite where `is_spoilt(inputs of the batch, learning rate)` says so."""

    def spoilt(config: Config, *more: Any) -> Job:
        job = build(config, *more)
        loss = job.task.loss

        def wrong(outputs: Any, batch: Any, hyper: Any) -> Any:
            total, count, metrics = loss(outputs, batch, hyper)
            factor = jnp.where(is_spoilt(batch.inputs, hyper["learning_rate"]), jnp.inf, 1.0)
            return total * factor, count, metrics

        return job._replace(task=job.task._replace(loss=wrong))

    monkeypatch.setattr(run, "build", spoilt)


def console() -> Console:
    return Console(io.StringIO())


def batch_of(config: Config, step: int) -> np.ndarray:
    """The inputs of a training batch."""
    job = build(config)
    indices = job.task.select("train", job.plan.settings.seed, step)
    data = {name: jnp.asarray(array) for name, array in job.data.splits["train"].items()}
    return np.asarray(job.task.fetch(data, jnp.asarray(indices), None).inputs)


def is_batch(config: Config, *steps: int) -> Callable[[Any, Any], Any]:
    wanted = [batch_of(config, step) for step in steps]

    def found(inputs: Any, _: Any) -> Any:
        same = [jnp.all(inputs == other) for other in wanted if other.shape == inputs.shape]
        return jnp.any(jnp.stack(same)) if same else jnp.zeros((), bool)

    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def state(folder: Path) -> dict[str, Any]:
    found = store.find(folder / "checkpoints")
    return {**found.read(), "progress": found.progress}


PLAIN = {"task.shift_pixels": 0}


def test_stop_ends_the_run_and_keeps_what_was_good(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(CONSTANT | PLAIN)
    spoiling(monkeypatch, is_batch(config, 5))
    summary = train(config, tmp_path, console=console())
    assert summary["status"] == "diverged"
    assert summary["reason"] == "the loss or its gradient was not finite at update 6"
    assert store.steps(tmp_path / "checkpoints") == [4]


def test_a_skipped_update_changes_nothing_and_the_run_goes_on(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(SKIP | PLAIN | {"checkpoint.every_steps": 1, "checkpoint.keep_latest": 20})
    spoiling(monkeypatch, is_batch(config, 5))
    said = console()
    summary = train(config, tmp_path, console=said)
    assert (summary["status"], summary["step"], summary["skipped"]) == ("finished", 12, 1)
    before, after, later = (
        store.open_checkpoint(tmp_path / "checkpoints" / f"{step:08d}").read("params/") for step in (5, 6, 7)
    )
    jax.tree.map(np.testing.assert_array_equal, before, after)
    assert not np.array_equal(jax.tree.leaves(after)[0], jax.tree.leaves(later)[0])


def test_too_many_skipped_updates_end_the_run(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(SKIP | PLAIN)
    spoiling(monkeypatch, is_batch(config, 5, 6, 8, 9))
    summary = train(config, tmp_path, console=console())
    assert summary["status"] == "diverged"
    assert "update 10, after 3 skipped updates (train.divergence_limit)" in summary["reason"]
    assert max(store.steps(tmp_path / "checkpoints")) == 8


def test_restore_goes_back_with_a_smaller_rate(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(RESTORE | PLAIN)
    rate, at = config.optimizer.learning_rate, is_batch(config, 5)
    spoiling(monkeypatch, lambda inputs, now: at(inputs, now) & (now > 0.4 * rate))
    summary = train(config, tmp_path, console=console())
    assert (summary["status"], summary["restores"]) == ("finished", 2)
    assert state(tmp_path)["progress"]["members"][0]["restores"] == 2
    steps = [row["step"] for row in rows(tmp_path) if row["split"] == "train"]
    assert steps == sorted(set(steps))


def test_where_it_goes_back_to_does_not_depend_on_a_signal(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint at which the config does not ask for one is not gone back to."""
    config = tiny(RESTORE | PLAIN)
    rate, at = config.optimizer.learning_rate, is_batch(config, 6)
    spoiling(monkeypatch, lambda inputs, now: at(inputs, now) & (now > 0.7 * rate))
    train(config, tmp_path / "straight", console=console())

    class Stopping(Console):
        def tick(self, step: int) -> None:
            if step == 6 and not store.steps(tmp_path / "stopped" / "checkpoints")[1:]:
                os.kill(os.getpid(), signal.SIGTERM)

    assert train(config, tmp_path / "stopped", console=Stopping(io.StringIO()))["status"] == "interrupted"
    assert store.steps(tmp_path / "stopped" / "checkpoints") == [4, 6]
    assert train(config, tmp_path / "stopped", console=console())["restores"] == 1
    found, wanted = state(tmp_path / "stopped"), state(tmp_path / "straight")
    jax.tree.map(np.testing.assert_array_equal, found["params"], wanted["params"])
    assert found["progress"] == wanted["progress"]
    assert rows(tmp_path / "stopped") == rows(tmp_path / "straight")


def test_restore_ends_after_so_many_returns(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(RESTORE | PLAIN)
    spoiling(monkeypatch, is_batch(config, 2))
    said = console()
    summary = train(config, tmp_path, console=said)
    assert summary["status"] == "diverged"
    assert "after 2 returns to the last checkpoint (train.divergence_limit)" in summary["reason"]
    assert summary["restores"] == 2
    assert not store.steps(tmp_path / "checkpoints")  # it came before the first one, and began anew


def test_parameters_that_overflow_are_not_kept(tiny: Tiny, tmp_path: Path) -> None:
    """Loss and gradient are finite, and the update leads out of the numbers."""
    huge = {"optimizer.learning_rate": 3e38, "optimizer.weight_decay": 1e30, "optimizer.clip_norm": None}
    summary = train(
        tiny(CONSTANT | huge | {"checkpoint.every_steps": 1, "optimizer.name": "sgd"} | NO_ADAM),
        tmp_path,
        console=console(),
    )
    assert (summary["status"], summary["step"]) == ("diverged", 1)
    assert summary["reason"] == "the parameters are not finite after update 1"
    for step in store.steps(tmp_path / "checkpoints"):
        found = store.open_checkpoint(tmp_path / "checkpoints" / f"{step:08d}").read("params/")
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


NO_ADAM = {"optimizer.beta1": None, "optimizer.beta2": None, "optimizer.epsilon": None}
