"""Optimizers equal optax's own, with rates that are arguments."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax.config import sections
from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import validate
from rnn_jax.config.sections import Train
from rnn_jax.training import optimizer
from rnn_jax.training.build import build as build_job
from rnn_jax.training.plan import build_plan

ADAM = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8}
PARAMETERS = {"params": {"output": {"kernel": jnp.full((3, 2), 0.5), "bias": jnp.array([1.0, -1.0])}}}


PLAN = build_plan(
    Train.model_validate(
        {
            "seed": 0,
            "duration_steps": 100,
            "evaluate_every_steps": 10,
            "report_test": False,
            "divergence": "stop",
        }
    ),
    Fraction(10),
)


def build(name: str, **changes: Any) -> optimizer.Optimizer:
    """The learning rate of the section is not read: it is an argument of the step."""
    fields = {"name": name, "learning_rate": 1.0, "schedule": "constant", **changes}
    return optimizer.build_optimizer(sections.Optimizer.model_validate(fields), PLAN)


def trajectory(step: Any, state: Any, steps: int = 5) -> Any:
    parameters = PARAMETERS
    for number in range(steps):
        gradients = jax.tree.map(lambda p, number=number: jnp.sin(p * (number + 2)), parameters)
        parameters, state = step(gradients, state, parameters, number)
    return parameters


def not_biases(parameters: Any) -> Any:
    return {"params": {"output": {"kernel": True, "bias": False}}}


CASES = [
    ("adam", ADAM, {}, optax.adam(0.1, 0.9, 0.99)),
    ("adamw", ADAM, {"weight_decay": 0.3}, optax.adamw(0.1, 0.9, 0.99, weight_decay=0.3, mask=not_biases)),
    ("sgd", {}, {}, optax.sgd(0.1)),
    ("sgd", {"momentum": 0.9}, {}, optax.sgd(0.1, momentum=0.9)),
    ("sgd", {}, {"clip_norm": 0.5}, optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1))),
    ("rmsprop", {"rms_decay": 0.9, "epsilon": 1e-6}, {}, optax.rmsprop(0.1, 0.9, 1e-6)),
    (
        "rmsprop",
        {"rms_decay": 0.9, "epsilon": 1e-6, "momentum": 0.5},
        {},
        optax.rmsprop(0.1, 0.9, 1e-6, momentum=0.5),
    ),
]


@pytest.mark.parametrize(("name", "settings", "hyper", "theirs"), CASES)
def test_equals_optax(name: str, settings: Any, hyper: Any, theirs: optax.GradientTransformation) -> None:
    ours = build(name, **settings)
    numbers = {"learning_rate": jnp.float32(0.1)} | {key: jnp.float32(value) for key, value in hyper.items()}

    def our_step(gradients: Any, state: Any, parameters: Any, number: int) -> Any:
        return ours.update(gradients, state, parameters, jnp.int32(number), numbers)

    def their_step(gradients: Any, state: Any, parameters: Any, number: int) -> Any:
        updates, state = theirs.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    found = trajectory(our_step, ours.init(PARAMETERS, numbers))
    expected = trajectory(their_step, theirs.init(PARAMETERS))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)


def test_the_rate_follows_the_schedule() -> None:
    ours = build("sgd", schedule="step", decay_every_steps=2, decay_factor=0.5)
    gradients = jax.tree.map(jnp.ones_like, PARAMETERS)
    numbers = {"learning_rate": jnp.float32(0.1)}
    moved, _ = ours.update(gradients, ours.init(PARAMETERS, numbers), PARAMETERS, jnp.int32(4), numbers)
    np.testing.assert_allclose(moved["params"]["output"]["kernel"], 0.5 - 0.1 / 4, rtol=1e-6)


def test_epochs_of_the_schedule_are_converted() -> None:
    by_epochs = build("sgd", schedule="step", decay_every_epochs=1.5, decay_factor=0.5)
    assert by_epochs.schedule(jnp.int32(14)) == 1
    assert by_epochs.schedule(jnp.int32(15)) == 0.5


def test_the_average_forgets_at_its_decay() -> None:
    average = build("sgd", average_decay=0.9).average
    assert average is not None
    late = average({"kernel": jnp.float32(1)}, {"kernel": jnp.float32(0)}, jnp.int32(1000))
    early = average({"kernel": jnp.float32(1)}, {"kernel": jnp.float32(0)}, jnp.int32(0))
    assert late["kernel"] == pytest.approx(0.9)
    assert early["kernel"] == pytest.approx(0.1)
    assert build("sgd").average is None


def test_the_mean_begins_at_its_step_and_is_that_of_all_parameters_since() -> None:
    average = build("sgd", average_from_epochs=0.3).average  # three steps
    assert average is not None
    values = [5.0, 7.0, 1.0, 4.0, 2.0, 9.0]
    averaged, found = {"kernel": jnp.float32(0)}, []
    for step, value in enumerate(values):
        averaged = average(averaged, {"kernel": jnp.float32(value)}, jnp.int32(step))
        found.append(float(averaged["kernel"]))
    assert found == pytest.approx([5, 7, 1, 4, 3, 5])


@pytest.mark.parametrize(
    "settings",
    [
        {"clip_norm": 1.2e-38},
        {"epsilon": 1.2e-38, "beta1": 0.9999999, "beta2": 0.9999999},
        {"beta1": 0.0, "beta2": 0.0},
        {"name": "rmsprop", "rms_decay": 0.0, "epsilon": 1.2e-38, "momentum": 0.0},
        {"name": "sgd", "momentum": 0.0, "weight_decay": 0.0},
        {"warmup_epochs": None, "warmup_steps": 0, "final_fraction": 0.0},
        {"warmup_epochs": 0.0, "schedule": "exponential", "decay_factor": 1e-30, "decay_every_steps": 1},
        {"schedule": "step", "decay_factor": 1e-30, "decay_every_epochs": 1e-30},
        {"average_decay": 0.0},
        {"average_decay": 0.9999999},
        {"average_from_steps": 0},
        {"average_from_epochs": 0.0},
        {"learning_rate": 0.0},
    ],
)
def test_values_at_the_edges_keep_parameters_finite_without_a_gradient(settings: dict[str, Any]) -> None:
    changes = {f"optimizer.{key}": value for key, value in settings.items()}
    job = build_job(validate(load_config("configs/digits.py:smoke", changes))[0])
    hyper = {name: jnp.float32(value) for name, value in job.hyper.items()}
    parameters = {"params": {"output": {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros(3)}}}
    zeros, state, averaged = jax.tree.map(jnp.zeros_like, parameters), None, parameters
    state = job.optimizer.init(parameters, hyper)
    for step in range(3):
        parameters, state = job.optimizer.update(zeros, state, parameters, jnp.int32(step), hyper)
        if job.optimizer.average is not None:
            averaged = job.optimizer.average(averaged, parameters, jnp.int32(step))
    for leaf in jax.tree.leaves((parameters, state, averaged)):
        assert bool(jnp.isfinite(leaf).all())
