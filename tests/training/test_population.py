"""A population against its members alone: the same models, whatever their neighbours do."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.runtime import devices
from rnn_jax.tasks.task import Batch
from rnn_jax.training import program
from rnn_jax.training.build import Job, build
from rnn_jax.training.population import population
from rnn_jax.training.population.steps import LayOut, Members
from rnn_jax.training.state import State

Tiny = Callable[..., Config]

STEPS = 200
RATES, SEEDS = (1e-3, 2e-3, 4e-3), (0, 1, 2)
DIVERGES = 1
WITHOUT_ADAM: dict[str, Any] = {
    "optimizer.name": "sgd",
    "optimizer.beta1": None,
    "optimizer.beta2": None,
    "optimizer.epsilon": None,
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer.name": "adam", "optimizer.weight_decay": None},
    "adamw": {"optimizer.name": "adamw", "optimizer.weight_decay": 0.01},
    "sgd": WITHOUT_ADAM | {"optimizer.weight_decay": None},
}


def cast(tree: Any, dtype: Any) -> Any:
    """The floats of a tree in another precision."""
    return jax.tree.map(
        lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )


def job_in(dtype: Any, config: Config) -> Job:
    """A config's job, whose batches come in another precision."""
    job = build(config)
    fetch = job.task.fetch

    def fetch_cast(*arguments: Any) -> Batch:
        return cast(fetch(*arguments), dtype)

    return job._replace(task=job.task._replace(fetch=fetch_cast))


def configs(tiny: Tiny, changes: dict[str, Any]) -> list[Config]:
    return [
        tiny({**changes, "optimizer.learning_rate": rate, "train.seed": seed, "train.duration_steps": STEPS})
        for rate, seed in zip(RATES, SEEDS, strict=True)
    ]


def on(number: int) -> devices.Devices:
    return devices.build_devices(
        number, devices=number, matmul_precision="float32", allow_device_change=False
    )


def train_together(
    members: Sequence[Config], number: int, how: LayOut, dtype: Any, steps: int
) -> list[State]:
    """The states of members, trained as a population on so many devices."""
    hypers = [split_hyper(config)[1] for config in members]
    everyone = Members(
        {name: np.array([hyper[name] for hyper in hypers], np.float32).astype(dtype) for name in hypers[0]},
        np.array([config.train.seed for config in members]),
    )
    everyone.hyper["learning_rate"][DIVERGES] = np.inf
    loaded = population.load(job_in(dtype, members[0]), on(number), everyone, how)
    state = loaded.init()
    state, hyper = state._replace(states=cast(state.states, dtype)), loaded.hyper_of(state)
    for step in range(steps):
        state = loaded.train_step(state, hyper, loaded.data["train"], loaded.batch_of(state, step))
        jax.block_until_ready(state.states)
    places = loaded.running(state)
    return [loaded.member(state.states, places[number]) for number in range(len(members))]


def train_alone(config: Config, dtype: Any, steps: int) -> State:
    alone = program.load(job_in(dtype, config), on(1))
    state, hyper = cast(alone.init(), dtype), cast(alone.hyper, dtype)
    for step in range(steps):
        state = alone.train_step(state, hyper, alone.data["train"], alone.indices("train", step))
    return state


def assert_equal(found: Any, expected: Any, tolerance: float) -> None:
    """Relative to each tensor's norm."""

    def compare(one: Any, other: Any) -> None:
        one, other = np.asarray(one, float), np.asarray(other, float)
        assert np.linalg.norm(one - other) <= tolerance * np.linalg.norm(other)

    jax.tree.map(compare, found, expected)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # XLA's older emitters, see tests/conftest.py, round float64 differently in differently fused programs.
    [pytest.param(jnp.float32, 1e-3, marks=pytest.mark.matrix), (jnp.float64, 1e-6)],
    ids=["32", "64"],
)
@pytest.mark.parametrize("how", ["map", "vmap"])
@pytest.mark.parametrize(
    "optimizer", ["adamw", *(pytest.param(name, marks=pytest.mark.matrix) for name in ("adam", "sgd"))]
)
def test_a_member_is_the_run_of_its_config(
    tiny: Tiny, optimizer: str, how: LayOut, dtype: Any, tolerance: float
) -> None:
    """With a neighbour that diverges, and on two devices, which three members do not fill."""
    members = configs(tiny, OPTIMIZERS[optimizer])
    with jax.enable_x64(dtype == jnp.float64):
        together = train_together(members, 2, how, dtype, STEPS)
        assert [int(state.diverged_at) >= 0 for state in together] == [False, True, False]
        for config, state in list(zip(members, together, strict=True))[::2]:
            alone = train_alone(config, dtype, STEPS)
            assert_equal(state.parameters, alone.parameters, tolerance)
            assert int(state.step) == STEPS


def test_who_is_not_active_is_not_trained(tiny: Tiny) -> None:
    members = configs(tiny, {})
    hypers = [split_hyper(config)[1] for config in members]
    everyone = Members(
        {name: np.array([hyper[name] for hyper in hypers], np.float32) for name in hypers[0]}, np.array(SEEDS)
    )
    for how in ("map", "vmap"):
        loaded = population.load(build(members[0]), on(1), everyone, how)
        state = loaded.init()
        state = state._replace(active=np.array([1], np.int32))
        before, indices = jax.device_get(state.states.parameters), loaded.batch_of(state, 0)
        after = loaded.train_step(state, loaded.hyper_of(state), loaded.data["train"], indices).states
        jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[1:], b[1:]), before, after.parameters)
        assert np.asarray(after.step).tolist() == [1, 0, 0]


@pytest.mark.parametrize("count", range(8))
def test_active_members_are_spread_evenly(count: int) -> None:
    places = list(range(20, 20 + count))
    sources, active = population.order(places, 9, 3)
    assert active.max() - active.min() <= 1
    there = [int(sources[3 * device + place]) for device in range(3) for place in range(active[device])]
    assert sorted(there) == places
