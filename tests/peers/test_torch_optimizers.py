"""Optimizers, learning-rate schedules and parameter averages equal PyTorch's, over 40 steps in float64."""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from torch_cases import FOLDER, OPTIMIZERS, STEPS, OptimizerCase, Tree, assert_close, read

from rnn_jax.config import sections
from rnn_jax.training.optimizer import build_optimizer
from rnn_jax.training.plan import build_plan

PLAN = build_plan(
    sections.Train.model_validate(
        {"seed": 0, "duration_steps": STEPS, "report_test": False, "divergence": "stop"}
    ),
    Fraction(STEPS),
)


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def loss(parameters: Tree, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean squared error of a small network."""

    def dense(layer: Tree, values: jax.Array) -> jax.Array:
        return values @ layer["kernel"] + layer["bias"][None]

    outputs = dense(parameters["output"], jnp.tanh(dense(parameters["hidden"], inputs)))
    return ((outputs - targets) ** 2).mean()


def train(case: OptimizerCase, arguments: Tree) -> Tree:
    """Return the learning rate, the parameters and their average, after each step."""
    settings = {"learning_rate": case.learning_rate, "schedule": "constant", **case.settings}
    optimizer = build_optimizer(sections.Optimizer.model_validate(settings), PLAN)
    # Arrays: Python's floats would take the dtype of what they multiply.
    values = {"learning_rate": case.learning_rate, **case.hyper}
    hyper = {name: jnp.float64(value) for name, value in values.items()}

    def step(hyper: Tree, before: Any, batch: Any) -> tuple[Any, Tree]:
        (parameters, state, averaged), (number, inputs, targets) = before, batch
        gradients = jax.grad(loss)(parameters, inputs, targets)
        parameters, state = optimizer.update(gradients, state, parameters, number, hyper)
        results = {"rate": hyper["learning_rate"] * optimizer.schedule(number), "parameters": parameters}
        if optimizer.average is not None:
            averaged = optimizer.average(averaged, parameters, number)
            results["averaged"] = averaged
        return (parameters, state, averaged), results

    def run(hyper: Tree, arguments: Tree) -> Tree:
        parameters = arguments["parameters"]
        first = parameters, optimizer.init(parameters, hyper), parameters
        numbers = jnp.arange(STEPS, dtype=jnp.int32)
        return jax.lax.scan(
            partial(step, hyper), first, (numbers, arguments["inputs"], arguments["targets"])
        )[1]

    return jax.device_get(jax.jit(run)(hyper, arguments))


def assert_equal_to_pytorch(case: OptimizerCase, vectors: Tree) -> None:
    assert_close(train(case, vectors["arguments"]), vectors["results"], case.tolerance)


@pytest.fixture(scope="module")
def stored() -> dict[str, Tree]:
    return read(FOLDER / "optimizers.npz")[0]


@pytest.mark.parametrize("case", OPTIMIZERS, ids=str)
def test_an_optimizer_equals_pytorch(case: OptimizerCase, stored: dict[str, Tree]) -> None:
    assert_equal_to_pytorch(case, stored[str(case)])


def test_stored_steps_are_what_pytorch_computes(stored: dict[str, Tree]) -> None:
    pytest.importorskip("torch")
    from write_vectors import SEED, optimizer_vectors

    assert_close({str(case): optimizer_vectors(case, SEED) for case in OPTIMIZERS}, stored, 1e-12)
