"""Metrics by class of an evaluation: on several devices, in a population, and in the files of a run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.runtime import devices
from rnn_jax.training.build import build
from rnn_jax.training.population import population
from rnn_jax.training.population.steps import Members
from rnn_jax.training.program import load
from rnn_jax.training.run import train

Tiny = Callable[..., Config]
UNEVEN = {
    "dataset.examples": 160,
    "dataset.batch_size": 7,
    "model.hidden_size": 24,
    "optimizer.learning_rate": 0.01,
    "train.duration_steps": 100,
    "train.evaluate_every_steps": 50,
}


def flat(metrics: dict[str, Any]) -> dict[str, float]:
    return metrics | {f"recall {name}": value for name, value in metrics["recall"].items()} | {"recall": 0.0}


def by_hand(labels: np.ndarray, predictions: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    recall, scores = {}, []
    for number, name in enumerate(classes):
        true = np.sum((labels == number) & (predictions == number))
        examples, predicted = np.sum(labels == number), np.sum(predictions == number)
        recall[name] = true / examples if examples else None
        scores += [2 * true / (examples + predicted)] if examples + predicted else []
    present = [value for value in recall.values() if value is not None]
    return {
        "accuracy": np.mean(labels == predictions),
        "balanced_accuracy": np.mean(present),
        "macro_f1": np.mean(scores),
        "recall": recall,
    }


def test_they_are_exact_on_several_devices_and_in_a_population(tiny: Tiny) -> None:
    config = tiny(UNEVEN)
    where = devices.build_devices(1, devices=3, matmul_precision="float32", allow_device_change=False)
    job = build(config)
    program = load(job, where)
    state = program.init()
    for step in range(60):
        indices = program.indices("train", step)
        state = program.train_step(state, program.hyper, program.data["train"], indices)
    predictions = program.outputs(state.parameters, "validation").argmax(axis=-1)
    assert len(np.unique(predictions)) > 2
    expected = by_hand(job.data.splits["validation"]["targets"], predictions, job.data.classes)
    found = program.evaluate(state.parameters, "validation")
    assert flat({name: found[name] for name in expected}) == pytest.approx(flat(expected), abs=1e-12)

    hyper = {name: np.array([value] * 3, np.float32) for name, value in split_hyper(config)[1].items()}
    members = population.load(job, where, Members(hyper, np.arange(3)))
    started = members.init()
    same = jax.tree.map(
        lambda new, old: jax.device_put(np.broadcast_to(new, old.shape), old.sharding),
        jax.device_get(state.parameters),
        started.states.parameters,
    )
    together = started._replace(states=started.states._replace(parameters=same))
    for member in members.evaluate_members(together, "validation").values():
        assert flat(member) == pytest.approx(flat(found), rel=1e-5)


def test_they_are_in_the_log_and_the_summary_and_can_be_the_objective(tiny: Tiny, tmp_path: Path) -> None:
    summary = train(tiny(), tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    for row in (row for row in rows if row["split"] != "train"):
        assert row["balanced_accuracy"] == pytest.approx(np.mean(list(row["recall"].values())))
    test = next(row for row in rows if row["split"] == "test")
    assert summary["test"] == {name: value for name, value in test.items() if name not in ("step", "split")}
    assert {"balanced_accuracy", "macro_f1"} < set(summary["best"])
    assert "recall" not in summary["best"]
    task = build(tiny()).task
    assert dict(task.evaluated) == {
        "loss": "min",
        "accuracy": "max",
        "balanced_accuracy": "max",
        "macro_f1": "max",
    }
