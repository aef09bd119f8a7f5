"""Whatever a run can do, the members of a population can: each has the files that its own run would have."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from tiny import build_tiny, build_tiny_language_model, flat

from rnn_jax.config.run_folder import RunFolder, open_run
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.reporting.console import Console
from rnn_jax.runtime import devices
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.training import run
from rnn_jax.training.build import Job, build
from rnn_jax.training.population.display import SweepDisplay
from rnn_jax.training.population.pruning import Halving
from rnn_jax.training.population.steps import Members
from rnn_jax.training.progress import MemberStatus
from rnn_jax.training.run import train_population

NO_TEST = {"train.report_test": False}
Trained = list[tuple[MemberStatus, dict[str, Any]]]


def train_together(configs: Sequence[Config], folder: Path, job: Job | None = None) -> Trained:
    """Members of one program, in run folders `folder/members/N`."""
    hypers = [split_hyper(config)[1] for config in configs]
    members = Members(
        {name: np.array([hyper[name] for hyper in hypers], np.float32) for name in hypers[0]},
        np.array([config.train.seed for config in configs]),
    )
    job, halving = job or build(configs[0]), Halving()
    folders = [open_run(folder / "members" / str(number), config) for number, config in enumerate(configs)]
    with StopSignal() as stop:
        return train_population(
            configs[0],
            job,
            devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False),
            members,
            folders,
            folder / "checkpoints",
            display=SweepDisplay(Console(io.StringIO()), job, halving, len(configs), 0, None),
            stop=stop,
            halving=halving,
        )


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in RunFolder(folder).metrics.read_text().splitlines()]


def assert_same(found: Path, wanted: Path) -> None:
    """The same rows, and the same values but for the last digits."""
    for one, other in zip(metrics_of(found), metrics_of(wanted), strict=True):
        assert one.pop("split") == other.pop("split")
        assert flat(one) == pytest.approx(flat(other), rel=1e-3, abs=1e-5)


def test_members_have_samples_and_event_files(tmp_path: Path) -> None:
    configs = [
        build_tiny_language_model({**NO_TEST, "train.seed": seed, "log.tensorboard": True}) for seed in (0, 1)
    ]
    train_together(configs, tmp_path)
    for number, config in enumerate(configs):
        alone = tmp_path / f"alone-{number}"
        run.train(config, alone, console=Console(io.StringIO()))
        member = tmp_path / "members" / str(number)
        assert_same(member, alone)
        assert RunFolder(member).samples.read_text() == RunFolder(alone).samples.read_text()
        assert len(list(member.glob("events*"))) == len(list(alone.glob("events*"))) == 1


def test_members_log_accuracies_of_their_batches(tmp_path: Path) -> None:
    changes = NO_TEST | {"log.batch_accuracy_every_steps": 5}
    configs = [build_tiny({"train.seed": seed, **changes}) for seed in (0, 1)]
    train_together(configs, tmp_path)
    run.train(configs[1], tmp_path / "alone", console=Console(io.StringIO()))
    assert_same(tmp_path / "members" / "1", tmp_path / "alone")


def spoil(job: Job, is_spoilt: Callable[[Any], Any]) -> Job:
    """Make the loss infinite where `is_spoilt(learning rate)`."""
    loss = job.task.loss

    def wrong(outputs: Any, batch: Any, hyper: Any) -> Any:
        total, count, metrics = loss(outputs, batch, hyper)
        return total * jnp.where(is_spoilt(hyper["learning_rate"]), jnp.inf, 1.0), count, metrics

    return job._replace(task=job.task._replace(loss=wrong))


POLICY: dict[str, Any] = NO_TEST | {
    "optimizer.schedule": "constant",
    "optimizer.final_fraction": None,
    "optimizer.warmup_epochs": None,
    "train.divergence_limit": 2,
}
RESTORE = POLICY | {"train.divergence": "restore", "train.divergence_rate_factor": 0.5}


def test_a_member_that_diverges_is_rolled_back_with_a_lower_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbour, which has not diverged, ends as it would alone."""
    configs = [build_tiny(RESTORE | {"optimizer.learning_rate": rate}) for rate in (0.001, 0.01)]
    monkeypatch.setattr(run, "build", lambda config: spoil(build(config), lambda rate: rate > 0.007))
    trained = train_together(configs, tmp_path, spoil(build(configs[0]), lambda rate: rate > 0.007))
    assert [(status.status, status.restores) for status, _ in trained] == [("finished", 0), ("finished", 1)]
    for number, config in enumerate(configs):
        summary = run.train(config, tmp_path / f"alone-{number}", console=Console(io.StringIO()))
        assert summary["restores"] == trained[number][1]["restores"] == number
        assert_same(tmp_path / "members" / str(number), tmp_path / f"alone-{number}")


def test_a_member_that_diverges_again_and_again_ends_alone(tmp_path: Path) -> None:
    configs = [build_tiny(RESTORE | {"optimizer.learning_rate": rate}) for rate in (0.001, 1.0)]
    trained = train_together(configs, tmp_path, spoil(build(configs[0]), lambda rate: rate > 0.007))
    assert [status.status for status, _ in trained] == ["finished", "diverged"]
    assert [summary["status"] for _, summary in trained] == ["finished", "diverged"]
    assert "after 2 returns to the last checkpoint" in trained[1][1]["reason"]
    assert trained[0][0].step == 12


def test_updates_of_a_member_are_skipped(tmp_path: Path) -> None:
    changes = POLICY | {"train.divergence": "skip", "train.divergence_limit": 20}
    configs = [build_tiny(changes | {"optimizer.learning_rate": rate}) for rate in (0.001, 0.01)]
    trained = train_together(configs, tmp_path, spoil(build(configs[0]), lambda rate: rate > 0.007))
    assert [status.status for status, _ in trained] == ["finished", "finished"]
    assert [summary["skipped"] for _, summary in trained] == [0, 12]
