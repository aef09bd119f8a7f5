"""The classifier: sizes from the spec, initial values from the config, pooling over real steps."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import models
from rnn_jax.models import classifier

SPEC = {"input_size": 7, "time_steps": 9, "output_size": 5, "head": "last"}


def build(**changes: Any) -> models.Network:
    settings: dict[str, Any] = {
        "cell": "lstm",
        "implementation": "auto",
        "remat_steps": None,
        "hidden_size": 64,
        "layers": 1,
        "bidirectional": False,
        "residual": False,
        "variational_dropout": None,
        "tied_embedding": None,
        "embedding_size": None,
        "input_projection_size": None,
        "pool": "last",
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal",
        "dense_init": "lecun_normal",
    }
    return models.build(SPEC, **settings | changes)


def init(network: models.Network, **hyper: float) -> dict[str, Any]:
    drawn = network.init(jax.random.key(1), {name: jnp.float32(value) for name, value in hyper.items()})
    return drawn["params"]


def test_sizes_come_from_the_spec_and_names_are_flaxs() -> None:
    network = build(input_projection_size=11)
    parameters = init(network)
    shapes = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(parameters)
    }
    gates = {f"recurrence_0/i{gate}/kernel": (11, 64) for gate in "ifgo"}
    gates |= {f"recurrence_0/h{gate}/kernel": (64, 64) for gate in "ifgo"}
    gates |= {f"recurrence_0/h{gate}/bias": (64,) for gate in "ifgo"}
    ends = {"input/kernel": (7, 11), "input/bias": (11,), "output/kernel": (64, 5), "output/bias": (5,)}
    assert shapes == gates | ends
    logits, carry = network.apply({"params": parameters}, jnp.ones((2, 9, 7)), None, None, {}, None)
    assert logits.shape == (2, 5)
    assert [part.shape for part in carry["recurrence_0"]] == [(2, 64), (2, 64)]


def test_without_input_layer_the_cell_reads_the_inputs() -> None:
    parameters = init(build())
    assert "input" not in parameters
    assert parameters["recurrence_0"]["ii"]["kernel"].shape == (7, 64)


def test_hyperparameters_of_the_initial_values() -> None:
    network = build(input_projection_size=11)
    plain = init(network)
    changed = init(network, forget_bias=1.5, dense_bias=0.1, init_scale=3.0)
    assert (changed["recurrence_0"]["hf"]["bias"] == 1.5).all()
    assert not changed["recurrence_0"]["hi"]["bias"].any()
    for layer in ("input", "output"):
        np.testing.assert_array_equal(changed[layer]["bias"], np.float32(0.1))
        np.testing.assert_allclose(changed[layer]["kernel"], 3 * plain[layer]["kernel"], rtol=1e-6)
    for name in ("ii", "hf"):
        ours, before = changed["recurrence_0"][name]["kernel"], plain["recurrence_0"][name]["kernel"]
        np.testing.assert_allclose(ours, 3 * before, rtol=1e-6)
    assert not plain["recurrence_0"]["hf"]["bias"].any()


def test_initializers_draw_what_they_are_named_after() -> None:
    joint = init(build(kernel_init="joint_glorot_uniform", recurrent_init="joint_glorot_uniform"))
    limit = np.sqrt(6 / (7 + 64 + 4 * 64))
    for name in ("ii", "hg"):
        largest = np.abs(joint["recurrence_0"][name]["kernel"]).max()
        assert 0.95 * limit < largest <= limit
    normal = init(build(dense_init="normal"))["output"]["kernel"]
    assert 0.9 < normal.std() < 1.1
    uniform = init(build(dense_init="uniform"))["output"]["kernel"]
    assert 0.95 < np.abs(uniform).max() <= 1
    kernel = init(build())["recurrence_0"]["hi"]["kernel"]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(64), atol=1e-5)


@pytest.mark.parametrize("pool", ["last", "mean", "max"])
def test_pools_look_at_real_steps_alone(pool: str) -> None:
    network = build(pool=pool, hidden_size=6)
    parameters = {"params": init(network)}
    inputs = jax.random.normal(jax.random.key(2), (3, 9, 7))
    padded, _ = network.apply(parameters, inputs, jnp.array([4, 9, 0]), None, {}, None)
    short, _ = network.apply(parameters, inputs[:1, :4], None, None, {}, None)
    whole, _ = network.apply(parameters, inputs[1:2], None, None, {}, None)
    np.testing.assert_allclose(padded[0], short[0], atol=1e-6)
    np.testing.assert_allclose(padded[1], whole[0], atol=1e-6)
    np.testing.assert_allclose(padded[2], parameters["params"]["output"]["bias"], atol=1e-6)


def test_pools_by_number() -> None:
    hidden = jnp.array([[[1.0, -5.0], [3.0, -2.0], [9.0, 9.0]]])
    last, lengths = jnp.array([[3.0, -2.0]]), jnp.array([2])
    assert classifier.pool_mean(hidden.at[:, 2].set(0), last, lengths).tolist() == [[2.0, -3.5]]
    assert classifier.pool_max(hidden, last, lengths).tolist() == [[3.0, -2.0]]
    assert classifier.pool_last(hidden, last, lengths).tolist() == [[3.0, -2.0]]


def test_other_keys_draw_other_parameters() -> None:
    network = build()
    first, second = (network.init(jax.random.key(seed), {})["params"] for seed in (1, 2))
    assert (first["output"]["kernel"] != second["output"]["kernel"]).any()


@pytest.mark.parametrize("changes", [{}, {"bidirectional": True, "layers": 2, "residual": True}], ids=str)
def test_states_are_what_the_answer_is_read_from(changes: dict[str, Any]) -> None:
    network = build(hidden_size=6, pool="mean", **changes)
    parameters = network.init(jax.random.key(0), {})
    inputs = jax.random.normal(jax.random.key(2), (3, 9, 7))
    lengths = jnp.array([9, 4, 0])
    states = network.states(parameters, inputs, lengths)
    assert states.shape == (3, 9, 12 if changes else 6)
    assert not states[1, 4:].any()
    assert not states[2].any()
    head = parameters["params"]["output"]
    means = states.sum(axis=1) / np.array([[9], [4], [1]], np.float32)
    logits, _ = network.apply(parameters, inputs, lengths, None, {}, None)
    np.testing.assert_allclose(means @ head["kernel"] + head["bias"][None], logits, atol=1e-6)
