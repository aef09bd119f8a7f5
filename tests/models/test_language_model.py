"""The network that answers at every step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import models
from rnn_jax.models.embedding import keep_tokens
from rnn_jax.models.network import Keys

SPEC = {"vocabulary": 9, "time_steps": 5, "output_size": 8, "head": "every"}


def build(**changes: Any) -> models.Network:
    settings: dict[str, Any] = {
        "cell": "lstm",
        "implementation": "auto",
        "remat_steps": None,
        "hidden_size": 6,
        "layers": 2,
        "bidirectional": False,
        "residual": False,
        "variational_dropout": None,
        "tied_embedding": None,
        "embedding_size": None,
        "input_projection_size": None,
        "pool": None,
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal",
        "dense_init": "uniform",
    }
    return models.build(SPEC, **settings | changes)


def test_names_and_sizes() -> None:
    parameters = build(embedding_size=4).init(jax.random.key(0), {"init_scale": jnp.float32(0.1)})["params"]
    assert set(parameters) == {"embedding", "recurrence_0", "recurrence_1", "output"}
    assert parameters["embedding"]["embedding"].shape == (9, 4)
    assert 0.05 < np.abs(parameters["embedding"]["embedding"]).max() <= 0.1
    assert parameters["recurrence_0"]["ii"]["kernel"].shape == (4, 6)
    assert parameters["output"]["kernel"].shape == (6, 8)


def test_each_step_is_answered_from_what_was_read_so_far() -> None:
    network = build()
    parameters = network.init(jax.random.key(0), {})
    tokens = jax.random.randint(jax.random.key(1), (3, 5), 0, 9)
    logits, carry = network.apply(parameters, tokens, None, None, {}, None)
    assert logits.shape == (3, 5, 8)
    other = tokens.at[:, 3].set((tokens[:, 3] + 1) % 9)
    changed, _ = network.apply(parameters, other, None, None, {}, None)
    np.testing.assert_array_equal(changed[:, :3], logits[:, :3])
    assert (changed[:, 3:] != logits[:, 3:]).any(axis=(0, 2)).all()
    # The carry goes on from window to window.
    first, half = network.apply(parameters, tokens[:, :2], None, None, {}, None)
    second, after = network.apply(parameters, tokens[:, 2:], None, half, {}, None)
    np.testing.assert_allclose(jnp.concatenate([first, second], axis=1), logits, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after, carry)


def keys(rows: int, seed: int = 0) -> Keys:
    rows_key, batch_key = jax.random.split(jax.random.key(seed))
    return Keys(jax.random.split(rows_key, rows), batch_key)


def test_a_dropped_token_is_dropped_wherever_it_is_in_its_row() -> None:
    tokens = jax.random.randint(jax.random.key(1), (40, 60), 0, 9)
    kept = np.asarray(keep_tokens(tokens, keys(40).rows, jnp.float32(0.3)))
    assert set(np.unique(kept)) == {0, np.float32(1 / np.float32(0.7))}
    assert abs((kept == 0).mean() - 0.3) < 0.06
    for row, factors in zip(np.asarray(tokens), kept, strict=True):
        assert all(len(set(factors[row == token])) <= 1 for token in range(9))
    dropped = {(row, int(token)) for row, column in np.argwhere(kept == 0) for token in [tokens[row, column]]}
    assert 0 < len({token for row, token in dropped if row == 0}) < 9
    assert {token for row, token in dropped if row == 0} != {token for row, token in dropped if row == 1}


@pytest.mark.parametrize("rate", ["input_dropout", "output_dropout", "embedding_dropout"])
def test_dropout_needs_keys_and_a_rate(rate: str) -> None:
    network = build()
    parameters = network.init(jax.random.key(0), {})
    tokens = jax.random.randint(jax.random.key(1), (3, 5), 0, 9)

    def answer(hyper: dict[str, Any], keys: Keys | None) -> jax.Array:
        return network.apply(parameters, tokens, None, None, hyper, keys)[0]

    plain, hyper = answer({}, None), {rate: jnp.float32(0.5)}
    assert not np.allclose(answer(hyper, keys(3)), plain)
    assert not np.allclose(answer(hyper, keys(3)), answer(hyper, keys(3, seed=1)))
    np.testing.assert_allclose(answer(hyper, None), plain, atol=1e-6)
    np.testing.assert_allclose(answer({rate: jnp.float32(0)}, keys(3)), plain, atol=1e-6)


def test_output_dropout_is_before_the_last_layer() -> None:
    """Where everything but a sliver is dropped, most answers are the bias alone."""
    network = build()
    parameters = network.init(jax.random.key(0), {"dense_bias": jnp.float32(0.7)})
    tokens = jax.random.randint(jax.random.key(1), (8, 5), 0, 9)
    logits, carry = network.apply(
        parameters, tokens, None, None, {"output_dropout": jnp.float32(0.99)}, keys(8)
    )
    assert np.isclose(logits, 0.7).all(axis=2).mean() > 0.8
    _, plain = network.apply(parameters, tokens, None, None, {}, None)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), carry, plain)


def test_states_are_what_the_answers_are_read_from() -> None:
    network = build()
    parameters = network.init(jax.random.key(0), {})
    tokens = jax.random.randint(jax.random.key(1), (3, 5), 0, 9)
    states, head = network.states(parameters, tokens, None), parameters["params"]["output"]
    logits, _ = network.apply(parameters, tokens, None, None, {}, None)
    np.testing.assert_allclose(states @ head["kernel"] + head["bias"][None, None], logits, atol=1e-6)
