"""One step: the same on any number of devices, counted once, frozen where it diverges."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.config.schema import Config
from rnn_jax.runtime import devices
from rnn_jax.training.build import build
from rnn_jax.training.program import Program, load
from rnn_jax.training.state import State

Tiny = Callable[..., Config]
SGD = {
    "optimizer.name": "sgd",
    "optimizer.schedule": "constant",
    "optimizer.weight_decay": None,
    "optimizer.beta1": None,
    "optimizer.beta2": None,
    "optimizer.epsilon": None,
    "optimizer.final_fraction": None,
    "optimizer.warmup_epochs": None,
    "optimizer.clip_norm": None,
    "optimizer.learning_rate": 1.0,
}


def start(config: Config, number: int = 1) -> Program:
    where = devices.build_devices(1, devices=number, matmul_precision="float32", allow_device_change=False)
    return load(build(config), where)


def run(program: Program, steps: int) -> State:
    state = program.init()
    for step in range(steps):
        state = program.train_step(
            state, program.hyper, program.data["train"], program.indices("train", step)
        )
    return state


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.device_get(tree))])


@pytest.mark.parametrize(
    ("number", "class_weights"), [(2, None), (3, [0.1, 3.0, 1.0, 1.0, 7.0, 1.0, 1.0, 2.0, 1.0, 1.0])]
)
def test_gradients_are_the_same_on_any_number_of_devices(
    tiny: Tiny, number: int, class_weights: list[float] | None
) -> None:
    # Plain SGD at rate 1: the update is the gradient. Rows that do not divide are padded, images are shifted.
    config = tiny(SGD | {"dataset.batch_size": 7, "task.class_weights": class_weights})
    one, many = start(config), start(config, number)
    before = flat(one.init().parameters)
    alone, together = (flat(run(program, 1).parameters) - before for program in (one, many))
    assert np.abs(alone).max() > 1e-3
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("number", [1, 2])
def test_the_update_is_the_gradient_of_the_mean_loss(tiny: Tiny, number: int) -> None:
    """Computed here with nothing of the step's own: Adam would hide a wrong scale."""
    program = start(tiny(SGD | {"dataset.batch_size": 7, "task.shift_pixels": 0}), number)
    arrays, rows = program.job.data.splits["train"], program.job.task.select("train", 0, 0)
    images = arrays["inputs"][rows].astype(np.float32) / np.float32(16)

    def mean_loss(parameters: Any) -> jax.Array:
        logits, _ = program.job.network.apply(parameters, images, None, None, {}, None)
        return -jax.nn.log_softmax(logits)[np.arange(7), arrays["targets"][rows]].mean()

    before = jax.device_get(program.init().parameters)
    expected = flat(jax.grad(mean_loss)(before))
    np.testing.assert_allclose(flat(before) - flat(run(program, 1).parameters), expected, atol=1e-6)
    assert np.abs(expected).max() > 1e-3


def test_cpu_devices_block_each_step(tiny: Tiny) -> None:
    """XLA can wait for ever where several steps are under way on several CPU devices."""
    assert not start(tiny()).devices.blocks_each_step
    program = start(tiny(), 2)
    assert program.devices.blocks_each_step
    state = program.train_step(
        program.init(), program.hyper, program.data["train"], program.indices("train", 0)
    )
    assert all(leaf.is_ready() for leaf in jax.tree.leaves(program.settle(state).parameters))


def test_three_devices_train_like_one(tiny: Tiny) -> None:
    alone, together = (run(start(tiny(), number), 8) for number in (1, 3))
    np.testing.assert_allclose(flat(together.parameters), flat(alone.parameters), atol=1e-4)
    assert flat(alone.metrics).tolist() == pytest.approx(flat(together.metrics).tolist(), rel=1e-4)


def test_every_example_counts_once_in_an_evaluation(tiny: Tiny) -> None:
    # 10 validation examples in batches of 7 on 3 devices: the last batch is ragged, and rows are padded.
    program = start(tiny({"dataset.batch_size": 7}), 3)
    parameters = program.init().parameters
    logits = program.outputs(parameters, "validation")
    targets = program.job.data.splits["validation"]["targets"]
    assert logits.shape == (10, 10)
    log_probabilities = np.asarray(jax.nn.log_softmax(logits))
    found = program.evaluate(parameters, "validation")
    assert found["accuracy"] == pytest.approx((logits.argmax(axis=1) == targets).mean())
    assert found["loss"] == pytest.approx(-log_probabilities[np.arange(10), targets].mean(), rel=1e-5)


def test_training_figures_are_sums_and_counts_until_they_are_taken(tiny: Tiny) -> None:
    program = start(tiny())
    state, taken = program.take_metrics(run(program, 3))
    sums = taken.metrics
    assert float(sums["loss"][1]) == 36
    assert 0 < float(sums["loss"][0]) / 36 < 3
    assert not flat(state.metrics).any()


def test_the_step_compiles_once_and_for_every_learning_rate(tiny: Tiny) -> None:
    program = start(tiny())
    state = run(program, 2)
    for rate in (0.0, 0.1):
        hyper = dict(program.hyper) | {
            "learning_rate": jax.device_put(jnp.float32(rate), state.step.sharding)
        }
        state = program.train_step(state, hyper, program.data["train"], program.indices("train", 5))
    compiled: Any = program.train_step
    assert compiled._cache_size() == 1


def test_where_the_loss_is_not_finite_everything_stays_but_the_step(tiny: Tiny) -> None:
    program = start(tiny({"optimizer.average_decay": 0.5}))
    state = run(program, 2)
    before = jax.device_get(state._replace(key=None))
    poisoned = dict(program.hyper) | {"learning_rate": jnp.float32(np.nan)}
    poisoned = jax.device_put(poisoned, state.step.sharding)
    data = dict(program.data["train"])
    state = program.train_step(state, poisoned, data, program.indices("train", 2))
    assert np.isnan(flat(state.parameters)).any()  # a rate that is not finite shows one step later

    state = program.train_step(state, program.hyper, data, program.indices("train", 3))
    frozen = jax.device_get(state._replace(key=None))
    state = program.train_step(state, program.hyper, data, program.indices("train", 4))
    after = jax.device_get(state._replace(key=None))
    assert int(before.diverged_at) == -1
    assert int(frozen.diverged_at) == int(after.diverged_at) == 3
    assert int(after.step) == 5
    same = {"step": 0, "diverged_at": 0}
    jax.tree.map(np.testing.assert_array_equal, after._replace(**same), frozen._replace(**same))


def test_key_and_batch_depend_on_seed_and_step(tiny: Tiny) -> None:
    first, again, other = (run(start(tiny({"train.seed": seed})), 2) for seed in (0, 0, 1))
    np.testing.assert_array_equal(flat(first.parameters), flat(again.parameters))
    assert (flat(first.parameters) != flat(other.parameters)).any()


@pytest.mark.usefixtures("compiled_as_for_users")
def test_the_first_step_is_the_one_that_records_were_made_with(tiny: Tiny) -> None:
    state = run(start(tiny()), 1)
    found = {
        "loss": float(state.metrics["loss"][0]),
        "norm": float(np.linalg.norm(flat(state.parameters))),
    }
    assert found == pytest.approx({"loss": GOLDEN_LOSS, "norm": GOLDEN_NORM}, rel=1e-5), (
        "the first training step has changed. If that is meant (another initializer, order of drawing, loss "
        "or optimizer arithmetic), run every experiment in experiments/ again and then change these figures"
    )


GOLDEN_LOSS, GOLDEN_NORM = 27.387209, 7.638795
