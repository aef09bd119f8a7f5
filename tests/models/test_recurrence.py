"""Unrolling a cell: equal to a Python loop, blind to padding and to the future, exact in its gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from rnn_jax.models import cells
from rnn_jax.models.recurrence import unroll

BATCH, TIME, FEATURES, HIDDEN = 4, 5, 3, 6


def draw(seed: int, dtype: Any = jnp.float32) -> tuple[nn.RNNCellBase, Any, jax.Array, Any]:
    """A cell, random parameters, inputs [batch, time, features] and carry; biases are not zero."""
    cell = cells.CELLS["lstm"].build(
        FEATURES, HIDDEN, kernel_init="lecun_normal", recurrent_init="orthogonal"
    )
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: cells.init(cell, jax.random.key(0), FEATURES, {}))

    def normal(shape: tuple[int, ...]) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), dtype)

    parameters = jax.tree.map(lambda leaf: normal(leaf.shape), shapes)
    carry = (normal((BATCH, HIDDEN)), normal((BATCH, HIDDEN)))
    return cell, parameters, normal((BATCH, TIME, FEATURES)), carry


def by_hand(cell: Any, parameters: Any, inputs: jax.Array, carry: Any, lengths: Any, reverse: bool) -> Any:
    """One row after another, one step after another, over the real steps alone."""
    outputs, carries = np.zeros((BATCH, TIME, HIDDEN)), []
    for row in range(BATCH):
        state = jax.tree.map(lambda part, row=row: part[row : row + 1], carry)
        steps = range(lengths[row])
        for step in reversed(steps) if reverse else steps:
            state, output = cell.apply({"params": parameters}, state, inputs[row : row + 1, step])
            outputs[row, step] = output[0]
        carries.append(state)
    return outputs, jax.tree.map(lambda *rows: np.concatenate(rows), *carries)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    lengths=st.lists(st.integers(0, TIME), min_size=BATCH, max_size=BATCH),
    reverse=st.booleans(),
)
def test_equals_a_python_loop_over_the_real_steps(seed: int, lengths: list[int], reverse: bool) -> None:
    cell, parameters, inputs, carry = draw(seed)
    found = unroll(cell, parameters, inputs, carry, lengths=jnp.array(lengths), reverse=reverse)
    expected = by_hand(cell, parameters, inputs, carry, lengths, reverse)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), found, expected)


def test_without_lengths_every_step_is_real() -> None:
    cell, parameters, inputs, carry = draw(1)
    found = unroll(cell, parameters, inputs, carry)
    expected = by_hand(cell, parameters, inputs, carry, [TIME] * BATCH, reverse=False)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), found, expected)


def test_an_empty_row_returns_its_initial_carry() -> None:
    cell, parameters, inputs, carry = draw(2)
    outputs, after = unroll(cell, parameters, inputs, carry, lengths=jnp.array([0, TIME, 0, 1]))
    for before, now in zip(carry, after, strict=True):
        np.testing.assert_array_equal(now[0], before[0])
        np.testing.assert_array_equal(now[2], before[2])
    assert not outputs[0].any()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_padding_influences_nothing_not_even_when_it_is_nan(reverse: bool, mapped: bool) -> None:
    cell, parameters, inputs, carry = draw(3)
    lengths = jnp.array([0, 2, TIME, 4])
    padding = jnp.arange(TIME)[None, :] >= lengths[:, None]
    weights = jax.random.normal(jax.random.key(5), (BATCH, TIME, HIDDEN))
    layer = {"kernel": jnp.eye(FEATURES) * 1.5, "bias": jnp.full((FEATURES,), 0.5)} if mapped else None

    def score(parameters: Any, inputs: jax.Array, carry: Any) -> jax.Array:
        outputs, after = unroll(
            cell, parameters, inputs, carry, lengths=lengths, reverse=reverse, input_map=layer
        )
        return (outputs * weights).sum() + sum(part.sum() for part in after)

    graded = jax.value_and_grad(score, argnums=(0, 1, 2))
    clean = graded(parameters, inputs, carry)
    dirty = graded(parameters, jnp.where(padding[:, :, None], jnp.nan, inputs), carry)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    np.testing.assert_array_equal(jnp.where(padding[:, :, None], clean[1][1], 0), 0)


@pytest.mark.parametrize("reverse", [False, True])
def test_no_output_depends_on_the_future(reverse: bool) -> None:
    cell, parameters, inputs, carry = draw(4)

    def outputs(inputs: jax.Array) -> jax.Array:
        return unroll(cell, parameters, inputs, carry, reverse=reverse)[0].sum(axis=(0, 2))

    influence = np.abs(jax.jacobian(outputs)(inputs)).sum(axis=(1, 3))  # [output time, input time]
    seen = influence.T if reverse else influence
    assert (np.triu(seen, 1) == 0).all()
    assert (np.tril(seen) + np.triu(np.ones_like(seen), 1) > 0).all()


def test_gradients_equal_central_differences_in_float64() -> None:
    with jax.enable_x64(True):
        cell, parameters, inputs, carry = draw(6, jnp.float64)
        lengths = jnp.array([TIME, 0, 3, 1])
        layer = {"kernel": jnp.eye(FEATURES) * 1.5, "bias": jnp.full((FEATURES,), 0.5)}
        weights = jax.random.normal(jax.random.key(7), (BATCH, TIME, HIDDEN), jnp.float64)

        @jax.jit
        def score(everything: Any) -> jax.Array:
            parameters, layer, inputs, carry = everything
            outputs, after = unroll(cell, parameters, inputs, carry, lengths=lengths, input_map=layer)
            return (outputs * weights).sum() + sum((part**2).sum() for part in after)

        everything = (parameters, layer, inputs, carry)
        gradients = jax.grad(score)(everything)
        flat, rebuild = ravel_pytree(everything)
        step = 1e-6
        shifts = step * np.eye(flat.size)
        numeric = rebuild(
            jnp.array([(score(rebuild(flat + d)) - score(rebuild(flat - d))) / (2 * step) for d in shifts])
        )

        def check(path: Any, exact: jax.Array, found: jax.Array) -> None:
            error = float(jnp.abs(exact - found).max())
            assert error <= 1e-6 * float(jnp.abs(exact).max()), jax.tree_util.keystr(path)

        jax.tree_util.tree_map_with_path(check, gradients, numeric)


def test_parameters_fit_a_plain_flax_rnn() -> None:
    cell, parameters, inputs, _ = draw(8)
    ours, _ = unroll(cell, parameters, inputs)
    theirs = nn.RNN(nn.LSTMCell(HIDDEN)).apply({"params": {"cell": parameters}}, inputs)
    np.testing.assert_allclose(ours, jnp.asarray(theirs), atol=1e-6)
