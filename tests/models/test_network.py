"""Networks: sizes, initial parameters, outputs per sequence and per step, dropout."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import (
    BATCH,
    FEATURES,
    OUTPUTS,
    TIME,
    VOCABULARY,
    build_classifier,
    build_keys,
    build_language_model,
)

from rnn_jax.config.messages import choices_of
from rnn_jax.config.schema import keys
from rnn_jax.models import Network
from rnn_jax.models.network import pool

POOLS = choices_of(keys()["model.pool"].annotation)
TOKENS = np.random.default_rng(1).integers(0, VOCABULARY, (BATCH, TIME))


def shapes_of(network: Network) -> dict[str, tuple[int, ...]]:
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), {}))["params"]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)
    }


def init(network: Network, **hyper: float) -> dict[str, Any]:
    values = {name: jnp.float32(value) for name, value in hyper.items()}
    return network.init(jax.random.key(1), values)["params"]


def test_sizes_come_from_the_spec_and_names_are_flaxs() -> None:
    gates = {f"recurrence_0/i{gate}/kernel": (11, 6) for gate in "ifgo"}
    gates |= {f"recurrence_0/h{gate}/kernel": (6, 6) for gate in "ifgo"}
    gates |= {f"recurrence_0/h{gate}/bias": (6,) for gate in "ifgo"}
    output = {"output/kernel": (6, OUTPUTS), "output/bias": (OUTPUTS,)}
    projection = {"input/kernel": (FEATURES, 11), "input/bias": (11,)}
    assert shapes_of(build_classifier(input_projection_size=11)) == gates | output | projection
    direct = shapes_of(build_classifier())
    assert direct["recurrence_0/ii/kernel"] == (FEATURES, 6)
    assert "input/kernel" not in direct
    model = shapes_of(build_language_model(embedding_size=4))
    assert model["embedding/embedding"] == (VOCABULARY, 4)
    assert model["recurrence_0/ii/kernel"] == (4, 6)
    assert model["recurrence_1/ii/kernel"] == (6, 6)
    assert model["output/kernel"] == (6, VOCABULARY)


def test_hyperparameters_of_the_initial_parameters() -> None:
    network = build_classifier(input_projection_size=11)
    plain = init(network)
    changed = init(network, forget_bias=1.5, dense_bias=0.1, init_scale=3.0)
    assert (changed["recurrence_0"]["hf"]["bias"] == 1.5).all()
    assert not changed["recurrence_0"]["hi"]["bias"].any()
    for layer in ("input", "output"):
        np.testing.assert_array_equal(changed[layer]["bias"], np.float32(0.1))
        np.testing.assert_allclose(changed[layer]["kernel"], 3 * plain[layer]["kernel"], rtol=1e-6)
    for name in ("ii", "hf"):
        found, before = changed["recurrence_0"][name]["kernel"], plain["recurrence_0"][name]["kernel"]
        np.testing.assert_allclose(found, 3 * before, rtol=1e-6)
    assert not plain["recurrence_0"]["hf"]["bias"].any()
    embedding = init(build_language_model(), init_scale=0.1)["embedding"]["embedding"]
    assert 0.05 < np.abs(embedding).max() <= 0.1


def test_initializers_have_the_distributions_of_their_names() -> None:
    joint = init(
        build_classifier(
            hidden_size=64, kernel_init="joint_glorot_uniform", recurrent_init="joint_glorot_uniform"
        )
    )
    limit = np.sqrt(6 / (FEATURES + 64 + 4 * 64))
    for name in ("ii", "hg"):
        assert 0.95 * limit < np.abs(joint["recurrence_0"][name]["kernel"]).max() <= limit
    normal = init(build_classifier(hidden_size=64, dense_init="normal"))["output"]["kernel"]
    assert 0.9 < normal.std() < 1.1
    plain = init(build_classifier(hidden_size=64, dense_init="uniform"))
    assert 0.95 < np.abs(plain["output"]["kernel"]).max() <= 1
    kernel = plain["recurrence_0"]["hi"]["kernel"]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(64), atol=1e-5)


def test_other_keys_give_other_parameters() -> None:
    network = build_classifier()
    first, second = (network.init(jax.random.key(seed), {})["params"] for seed in (1, 2))
    assert (first["output"]["kernel"] != second["output"]["kernel"]).any()


@pytest.mark.parametrize("kind", POOLS)
def test_an_output_per_sequence_is_computed_from_the_pooled_states_of_real_steps(kind: str) -> None:
    network = build_classifier(pool=kind, bidirectional=True, residual=True)
    parameters = {"params": init(network)}
    inputs, lengths = (
        jax.random.normal(jax.random.key(2), (BATCH, TIME, FEATURES), jnp.float32),
        np.array([TIME, 3, 0]),
    )

    @jax.jit
    def run(inputs: jax.Array, lengths: jax.Array) -> Any:
        states = network.states(parameters, inputs, lengths)
        return states, network.apply(parameters, inputs, lengths, None, {}, None)[0]

    states, outputs = run(inputs, lengths)
    assert states.shape == (BATCH, TIME, 12)
    assert outputs.shape == (BATCH, OUTPUTS)
    head = parameters["params"]["output"]
    for row, (hidden, length) in enumerate(zip(np.asarray(states), lengths, strict=True)):
        assert not hidden[length:].any()
        features = np.zeros(12, np.float32)
        if length:
            ends = np.concatenate([hidden[length - 1, :6], hidden[0, 6:]])
            real = hidden[:length]
            features = {"last": ends, "mean": real.mean(axis=0), "max": real.max(axis=0)}[kind]
        np.testing.assert_allclose(outputs[row], features @ head["kernel"] + head["bias"], atol=1e-6)


def test_pools_of_known_values() -> None:
    hidden = jnp.array([[[1.0, -5.0], [3.0, -2.0], [9.0, 9.0]]], jnp.float32)
    last, lengths = jnp.array([[3.0, -2.0]], jnp.float32), jnp.array([2], jnp.int32)
    assert pool("mean", hidden.at[:, 2].set(0), last, lengths).tolist() == [[2.0, -3.5]]
    assert pool("max", hidden, last, lengths).tolist() == [[3.0, -2.0]]
    assert pool("last", hidden, last, lengths).tolist() == [[3.0, -2.0]]
    np.testing.assert_allclose(pool("mean", hidden, last, None), [[13 / 3, 2 / 3]], rtol=1e-6)
    assert pool("max", hidden, last, None).tolist() == [[9.0, 9.0]]


def test_an_output_per_step_is_computed_from_the_steps_so_far() -> None:
    network = build_language_model()
    parameters = network.init(jax.random.key(0), {})
    apply = jax.jit(lambda tokens, carry: network.apply(parameters, tokens, None, carry, {}, None))
    logits, after = apply(TOKENS, network.initial_carry(BATCH))
    assert logits.shape == (BATCH, TIME, VOCABULARY)
    other = TOKENS.copy()
    other[:, 3] = (TOKENS[:, 3] + 1) % VOCABULARY
    changed, _ = apply(other, network.initial_carry(BATCH))
    np.testing.assert_array_equal(changed[:, :3], logits[:, :3])
    assert (changed[:, 3:] != logits[:, 3:]).any(axis=(0, 2)).all()
    # A window continues with the carry of the window before.
    carry = network.initial_carry(BATCH)
    for step in range(TIME):
        one, carry = apply(TOKENS[:, step : step + 1], carry)
        np.testing.assert_allclose(one[:, 0], logits[:, step], atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), carry, after)
    states, head = network.states(parameters, TOKENS, None), parameters["params"]["output"]
    np.testing.assert_allclose(states @ head["kernel"] + head["bias"][None, None], logits, atol=1e-6)


# With `input_dropout` the embedding is looked up; without it, it is a product with one-hot rows.
@pytest.mark.parametrize(
    "names", [("output_dropout", "embedding_dropout"), ("input_dropout", "embedding_dropout")]
)
def test_dropout_needs_keys_and_a_rate(names: tuple[str, ...]) -> None:
    network = build_language_model()
    parameters = network.init(jax.random.key(0), {"dense_bias": jnp.float32(0.7)})
    apply = jax.jit(lambda hyper, keys: network.apply(parameters, TOKENS, None, None, hyper, keys))

    def run(keys: Any, **rates: float) -> Any:
        return apply({name: jnp.float32(rates.get(name, 0)) for name in names}, keys)

    first, second = build_keys(), build_keys(seed=1)
    plain, carry = run(None)
    for name in names:
        assert not np.allclose(run(first, **{name: 0.5})[0], plain)
        assert not np.allclose(run(first, **{name: 0.5})[0], run(second, **{name: 0.5})[0])
        np.testing.assert_array_equal(run(None, **{name: 0.5})[0], plain)
    np.testing.assert_allclose(run(first)[0], plain, atol=1e-6)
    if "output_dropout" in names:
        # It is before the output layer: with nearly everything dropped, most outputs are the bias.
        logits, after = run(first, output_dropout=0.99)
        assert np.isclose(logits, 0.7).all(axis=2).mean() > 0.8
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after, carry)
