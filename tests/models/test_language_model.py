"""The network that answers at every step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import models

SPEC = {"vocabulary": 9, "time_steps": 5, "output_size": 8, "head": "every"}


def build(**changes: Any) -> models.Network:
    settings: dict[str, Any] = {
        "cell": "lstm",
        "implementation": "auto",
        "checkpoint_steps": None,
        "hidden_size": 6,
        "layers": 2,
        "bidirectional": False,
        "residual": False,
        "variational_dropout": None,
        "tied_embedding": None,
        "embedding_size": None,
        "input_layer": None,
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
