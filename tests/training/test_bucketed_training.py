"""Sequences of many lengths in training: buckets change no figure, and runs are as exact as any other."""

import functools
import io
import os
import signal
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import flat as flat_metrics

from rnn_jax.checkpoints import store
from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import Config, split_hyper, validate
from rnn_jax.models.network import Network
from rnn_jax.reporting.console import Console
from rnn_jax.runtime import devices
from rnn_jax.training import program
from rnn_jax.training.build import build
from rnn_jax.training.population import population
from rnn_jax.training.population.steps import LayOut, Members
from rnn_jax.training.program import Program
from rnn_jax.training.run import train
from rnn_jax.training.state import State

TINY: dict[str, Any] = {
    "dataset.examples": 60,
    "dataset.batch_size": 5,
    "task.buckets": 2,
    "model.hidden_size": 5,
    "train.duration_steps": 10,
    "train.evaluate_every_steps": 4,
    "log.every_steps": 3,
    "log.tensorboard": False,
}
PLAIN: dict[str, Any] = {
    "model.output_dropout": None,
    "optimizer.name": "sgd",
    "optimizer.schedule": "constant",
    "optimizer.learning_rate": 0.5,
    "optimizer.warmup_steps": None,
    "optimizer.clip_norm": None,
    "optimizer.weight_decay": None,
    "optimizer.beta1": None,
    "optimizer.beta2": None,
    "optimizer.epsilon": None,
    "optimizer.final_fraction": None,
}
PLAIN_TEXT = PLAIN | {"model.input_dropout": None, "model.embedding_dropout": None}
KINDS = {
    "configs/imdb.py:smoke": PLAIN_TEXT,
    "configs/sequences.py:smoke": PLAIN,
    "configs/sequences.py:regression,smoke": PLAIN,
}

TRIED = [
    ("configs/imdb.py:smoke", "last"),
    ("configs/imdb.py:smoke", "mean"),
    ("configs/imdb.py:smoke", "max"),
    ("configs/sequences.py:smoke", "max"),
    ("configs/sequences.py:regression,smoke", "mean"),
]


def config_with(source: str, changes: dict[str, Any] | None = None) -> Config:
    return validate(load_config(source, TINY | (changes or {})))[0]


def start(config: Config, number: int = 1) -> Program:
    where = devices.build_devices(1, devices=number, matmul_precision="float32", allow_device_change=False)
    return program.load(build(config), where)


def run(loaded: Program, count: int) -> State:
    state = loaded.init()
    for step in range(count):
        state = loaded.settle(
            loaded.train_step(state, loaded.hyper, loaded.data["train"], loaded.indices("train", step))
        )
    return state


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.device_get(tree))])


@functools.partial(jax.jit, static_argnums=0)  # compiled once a length, not an operation at a time
def answer(network: Network, parameters: Any, steps: jax.Array) -> jax.Array:
    return network.apply(parameters, steps[None], None, None, {}, None)[0][0]


def alone(loaded: Program, parameters: Any, split: str, row: int) -> jax.Array:
    """The network's outputs [outputs] for one example, without another one or any padding beside it."""
    arrays = loaded.job.data.splits[split]
    end = int(np.cumsum(arrays["lengths"])[row])
    steps = arrays["steps"][end - arrays["lengths"][row] : end]
    if steps.ndim == 2:
        spec = loaded.job.data.spec
        mean, deviation = (np.array([spec[key]], np.float32) for key in ("means", "deviations"))
        steps = (steps - mean) / deviation
    return answer(loaded.job.network, parameters, jnp.asarray(steps))


@pytest.mark.parametrize(("source", "pool"), TRIED)
def test_figures_do_not_depend_on_the_buckets(source: str, pool: str) -> None:
    changes = KINDS[source] | {"model.pool": pool, "model.bidirectional": True}
    found, bounds = [], []
    parameters = None
    for buckets, batch_size in ((1, 5), (2, 5), (5, 3)):
        loaded = start(
            config_with(source, changes | {"task.buckets": buckets, "dataset.batch_size": batch_size})
        )
        parameters = loaded.init().parameters if parameters is None else parameters
        found.append(loaded.evaluate(parameters, "test"))
        bounds.append({loaded.indices("test", step).shape[1] for step in range(3)})
    assert len(bounds[-1]) > len(bounds[0]) == 1
    for other in found[1:]:
        assert flat_metrics(other) == pytest.approx(flat_metrics(found[0]), rel=1e-6)


@pytest.mark.parametrize(("source", "pool"), TRIED)
def test_padding_influences_nothing(source: str, pool: str) -> None:
    """Neither an answer nor a gradient: each is what examples that are read alone give."""
    changes = KINDS[source] | {"model.pool": pool, "model.bidirectional": True}
    loaded = start(config_with(source, changes))
    parameters = jax.device_get(loaded.init().parameters)
    answers = loaded.outputs(parameters, "test")
    for row in range(0, len(answers), 4):
        np.testing.assert_allclose(answers[row], alone(loaded, parameters, "test", row), atol=1e-6)

    rows = np.asarray(loaded.indices("train", 0))[:, 0]
    batch = loaded.job.task.fetch(loaded.data["train"], loaded.indices("train", 0), None)

    def mean_loss(parameters: Any) -> jax.Array:
        answers = jnp.stack([alone(loaded, parameters, "train", row) for row in rows])
        total, count, _ = loaded.job.task.loss(answers, batch, {})
        return total / count

    expected = flat(parameters) - 0.5 * flat(jax.jit(jax.grad(mean_loss))(parameters))
    np.testing.assert_allclose(flat(run(loaded, 1).parameters), expected, atol=1e-6)


@pytest.mark.parametrize("number", [2, 3])
def test_the_same_on_any_number_of_devices(number: int) -> None:
    """Five rows on two devices, and on three: rows that fill up weigh nothing, dropout is each row's own."""
    dropping = PLAIN | {
        "model.output_dropout": 0.3,
        "model.input_dropout": 0.2,
        "model.embedding_dropout": 0.2,
    }
    config = config_with("configs/imdb.py:smoke", dropping)
    one, together = start(config), start(config, number)
    state, many = run(one, 6), run(together, 6)
    np.testing.assert_allclose(flat(many.parameters), flat(state.parameters), atol=1e-5)
    assert np.abs(flat(state.parameters) - flat(one.init().parameters)).max() > 1e-2
    expected = flat_metrics(one.evaluate(state.parameters, "test"))
    assert flat_metrics(together.evaluate(many.parameters, "test")) == pytest.approx(expected, rel=1e-4)


class Interrupting(Console):
    """Sends this process a signal once `step` updates are done."""

    def __init__(self, step: int | None = None) -> None:
        super().__init__(io.StringIO())
        self._step = step

    def tick(self, step: int) -> None:
        if step == self._step:
            os.kill(os.getpid(), signal.SIGTERM)


def test_cut_anywhere_and_resumed_equals_straight_bit_for_bit(tmp_path: Path) -> None:
    config = config_with("configs/imdb.py:smoke")
    train(config, tmp_path / "straight", console=Interrupting())
    for cut in (1, 6):
        assert train(config, tmp_path / "cut", console=Interrupting(cut))["step"] == cut
    train(config, tmp_path / "cut", console=Interrupting())
    loaded = start(config)
    states = (loaded.restore(store.find(tmp_path / name / "checkpoints"))[0] for name in ("straight", "cut"))
    one, other = (jax.tree.leaves(jax.device_get(state._replace(key=None))) for state in states)
    for found, wanted in zip(one, other, strict=True):
        np.testing.assert_array_equal(found, wanted)
    for name in ("metrics.jsonl", "dataset.json", "vocabulary.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name


@pytest.mark.parametrize("how", ["map", "vmap"])
def test_members_of_a_population_read_batches_of_one_shape(how: LayOut) -> None:
    source = "configs/sequences.py:regression,smoke"
    configs = [
        config_with(source, PLAIN | {"optimizer.learning_rate": rate, "train.seed": seed})
        for rate, seed in ((0.1, 0), (0.5, 1))
    ]
    hypers = [split_hyper(config)[1] for config in configs]
    members = Members(
        {name: np.array([hyper[name] for hyper in hypers], np.float32) for name in hypers[0]}, np.arange(2)
    )
    where = devices.build_devices(1, devices=1, matmul_precision="float32", allow_device_change=False)
    loaded = population.load(build(configs[0]), where, members, how)
    state = loaded.init()
    hyper = loaded.hyper_of(state)
    for step in range(6):
        state = loaded.train_step(state, hyper, loaded.data["train"], loaded.batch_of(state, step))
    metrics, states = loaded.evaluate_members(state, "test"), state.states
    for member, config in enumerate(configs):
        single = start(config)
        state = run(single, 6)
        mine = jax.tree.map(lambda leaf, member=member: leaf[member], states.parameters)
        np.testing.assert_allclose(flat(mine), flat(state.parameters), atol=1e-5)
        expected = flat_metrics(single.evaluate(state.parameters, "test"))
        assert flat_metrics(metrics[member]) == pytest.approx(expected, rel=1e-4)
