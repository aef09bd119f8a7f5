"""Dropout of values, tokens and weights: the right share, the same mean, the right things together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import build_keys, settings

from rnn_jax.catalogue import CELLS
from rnn_jax.models.dropout import drop_weights, dropout, token_mask
from rnn_jax.models.stacks import Stack

RATE = jnp.float32(0.3)
VALUES = jnp.ones((50, 40, 10), jnp.float32)


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_drops_its_share_and_keeps_the_mean(variational: bool) -> None:
    keys = build_keys(rows=50).rows
    dropped = dropout(VALUES, keys, RATE, variational=variational)
    assert set(np.unique(dropped)) == {0, np.float32(1 / np.float32(0.7))}
    assert abs(float((dropped == 0).mean()) - 0.3) < (0.05 if variational else 0.02)
    assert (dropped[0] != dropped[1]).any()
    # Variational dropout drops the same features at every time step.
    assert (dropped == dropped[:, :1]).all() == variational
    np.testing.assert_array_equal(dropout(VALUES, None, RATE, variational=variational), VALUES)
    np.testing.assert_array_equal(dropout(VALUES, keys, None, variational=variational), VALUES)


def test_a_dropped_token_is_dropped_everywhere_in_its_row() -> None:
    tokens = np.random.default_rng(0).integers(0, 9, (40, 60))
    mask = np.asarray(token_mask(jnp.asarray(tokens), build_keys(rows=40).rows, RATE))
    assert set(np.unique(mask)) == {0, np.float32(1 / np.float32(0.7))}
    assert abs((mask == 0).mean() - 0.3) < 0.06
    dropped = [set(row[factors == 0]) for row, factors in zip(tokens, mask, strict=True)]
    kept = [set(row[factors != 0]) for row, factors in zip(tokens, mask, strict=True)]
    assert not any(one & other for one, other in zip(dropped, kept, strict=True))
    assert 0 < len(dropped[0]) < 9
    assert dropped[0] != dropped[1]


@pytest.mark.parametrize("cell", ["lstm", "gru", "lstm_layer_norm", "rnn"])
def test_weights_that_multiply_the_state_are_dropped(cell: str) -> None:
    stack = Stack(settings(cell=cell, layers=2), 2)
    shapes = jax.eval_shape(lambda: stack.init(jax.random.key(0), {}))
    parameters = jax.tree.map(lambda leaf: np.random.default_rng(0).normal(size=leaf.shape), shapes)
    parameters = jax.tree.map(jnp.float32, parameters)
    dropped = drop_weights(parameters, CELLS[cell].state_kernels, jax.random.key(7), jnp.float32(0.5))
    masks = []
    for (path, old), new in zip(jax.tree.leaves_with_path(parameters), jax.tree.leaves(dropped), strict=True):
        layer, kind = path[-2].key, path[-1].key
        if kind == "kernel" and layer.startswith("h"):
            assert ((new == 0) | np.isclose(new, 2 * old)).all()
            masks.append((new == 0).ravel())
        else:
            np.testing.assert_array_equal(new, old)
    assert 0.3 < np.concatenate(masks).mean() < 0.7
    assert (masks[0] != masks[-1]).any()
