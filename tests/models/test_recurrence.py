"""Unrolling a cell: equal to a Python loop however it is computed, blind to padding and to the future."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cells import BATCH, FEATURES, HIDDEN, LINEAR, NAMES, TIME, build_cell, by_hand, draw

from rnn_jax.models import fused_lstm
from rnn_jax.models.recurrence import Implementation, implementations, unroll
from rnn_jax.runtime.errors import UserError

WAYS = [(name, way) for name in NAMES for way in implementations(build_cell(name))]
LENGTHS = st.lists(st.integers(0, TIME), min_size=BATCH, max_size=BATCH)


def close(found: Any, expected: Any, tolerance: float = 3e-6) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance), found, expected
    )


@pytest.fixture(params=["in the loop", "before the loop"])
def product(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both places of the fused LSTM's input product."""
    monkeypatch.setattr(fused_lstm, "ROWS_IN_LOOP", 1 if request.param == "in the loop" else 1_000)


@pytest.mark.parametrize(("name", "way"), WAYS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**16), lengths=LENGTHS, reverse=st.booleans())
def test_equals_a_python_loop_over_the_real_steps(
    name: str, way: Implementation, seed: int, lengths: list[int], reverse: bool
) -> None:
    drawn = draw(name, seed)
    found = unroll(*drawn, lengths=jnp.array(lengths), reverse=reverse, implementation=way)
    close(found, by_hand(drawn, lengths, reverse), 2e-5)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_without_lengths_every_step_is_real(name: str, way: Implementation) -> None:
    drawn = draw(name, 1)
    close(unroll(*drawn, implementation=way), by_hand(drawn, [TIME] * BATCH, reverse=False), 2e-5)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_an_empty_row_returns_its_initial_carry(name: str, way: Implementation) -> None:
    drawn = draw(name, 2)
    outputs, after = unroll(*drawn, lengths=jnp.array([0, TIME, 0, 1]), implementation=way)
    for before, now in zip(jax.tree.leaves(drawn.carry), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(now[0], before[0])
        np.testing.assert_array_equal(now[2], before[2])
        assert (now[1] != before[1]).any()
    assert not outputs[0].any()


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.parametrize("reverse", [False, True])
def test_padding_influences_nothing_not_even_when_it_is_nan(
    name: str, way: Implementation, reverse: bool
) -> None:
    cell, parameters, inputs, carry = draw(name, 3)
    lengths = jnp.array([0, 2, TIME, 4])
    padding = jnp.arange(TIME)[None, :] >= lengths[:, None]
    weights = jax.random.normal(jax.random.key(5), (BATCH, TIME, HIDDEN))
    layer = {"kernel": jnp.eye(FEATURES) * 1.5, "bias": jnp.full((FEATURES,), 0.5)}

    @jax.jit
    def graded(parameters: Any, inputs: jax.Array, carry: Any) -> Any:
        def score(parameters: Any, inputs: jax.Array, carry: Any) -> jax.Array:
            options: Any = {"lengths": lengths, "reverse": reverse, "input_map": layer, "implementation": way}
            outputs, after = unroll(cell, parameters, inputs, carry, **options)
            return (outputs * weights).sum() + sum(jnp.abs(part).sum() for part in jax.tree.leaves(after))

        return jax.value_and_grad(score, argnums=(0, 1, 2))(parameters, inputs, carry)

    clean = graded(parameters, inputs, carry)
    dirty = graded(parameters, jnp.where(padding[:, :, None], jnp.nan, inputs), carry)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    np.testing.assert_array_equal(jnp.where(padding[:, :, None], clean[1][1], 0), 0)
    assert np.abs(clean[1][1]).sum() > 0


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.parametrize("reverse", [False, True])
def test_no_output_depends_on_the_future(name: str, way: Implementation, reverse: bool) -> None:
    cell, parameters, inputs, carry = draw(name, 4)

    @jax.jit
    def influence(inputs: jax.Array) -> jax.Array:
        def outputs(inputs: jax.Array) -> jax.Array:
            found, _ = unroll(cell, parameters, inputs, carry, reverse=reverse, implementation=way)
            return found.sum(axis=(0, 2))

        return jnp.abs(jax.jacobian(outputs)(inputs)).sum(axis=(1, 3))  # [output time, input time]

    seen = influence(inputs).T if reverse else influence(inputs)
    assert (np.triu(seen, 1) == 0).all()
    assert (np.tril(seen) + np.triu(np.ones_like(seen), 1) > 0).all()


def scores(drawn: Any, options: dict[str, Any]) -> Any:
    """Outputs and carry, and the gradients of a random sum of them by everything."""
    cell, *rest = drawn
    weights = jax.random.normal(jax.random.key(7), (BATCH, TIME, HIDDEN), drawn.inputs.dtype)

    @jax.jit
    def run(everything: Any) -> Any:
        def score(everything: Any) -> tuple[jax.Array, Any]:
            outputs, after = unroll(cell, *everything, **options)
            ends = sum((jnp.abs(part) ** 2).sum() for part in jax.tree.leaves(after))
            return (outputs * weights).sum() + ends, (outputs, after)

        return jax.value_and_grad(score, has_aux=True)(everything)

    return run(tuple(rest))


@pytest.mark.usefixtures("product")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float64, 1e-12), (jnp.float32, 1e-5)])
def test_the_fused_lstm_equals_the_scan(reverse: bool, dtype: Any, tolerance: float) -> None:
    with jax.enable_x64(True):
        layer = {"kernel": jnp.eye(FEATURES, dtype=dtype) * 1.5, "bias": jnp.full((FEATURES,), 0.5, dtype)}
        mask = jnp.asarray(np.random.default_rng(1).choice([0.0, 2.0], (BATCH, HIDDEN)), dtype)
        for seed, lengths, input_map, dropped in [
            (1, None, None, None),
            (2, jnp.array([0, 2, TIME, 4]), layer, None),
            (3, jnp.array([1, TIME, 3, 0]), None, mask),
        ]:
            drawn = draw("lstm", seed, dtype)
            options = {"lengths": lengths, "input_map": input_map, "mask": dropped, "reverse": reverse}
            scan, fused = (scores(drawn, {**options, "implementation": way}) for way in ("scan", "fused"))
            close(fused, scan, tolerance)


def test_the_scan_is_flaxs_over_its_own_cell() -> None:
    drawn = draw("lstm", 8)
    ours, _ = unroll(*drawn[:3], implementation="scan")
    rnn = nn.RNN(nn.LSTMCell(HIDDEN))
    np.testing.assert_allclose(
        ours, jnp.asarray(rnn.apply({"params": {"cell": drawn[1]}}, drawn[2])), atol=1e-6
    )


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float64, 1e-11), (jnp.float32, 2e-4)])
def test_the_ways_of_a_linear_recurrence_are_equal(
    name: str, reverse: bool, dtype: Any, tolerance: float
) -> None:
    with jax.enable_x64(True):
        drawn = draw(name, 9, dtype)
        options: dict[str, Any] = {"lengths": jnp.array([0, 2, TIME, 4]), "reverse": reverse}
        scan, *others = (
            scores(drawn, {**options, "implementation": way}) for way in ("scan", "fused", "parallel")
        )
        for other in others:
            close(other, scan, tolerance)


@pytest.mark.parametrize("name", ["lstm", "gru", "lru"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, jnp.array([0, 2, TIME, 4])])
def test_stretches_of_time_change_nothing(name: str, reverse: bool, lengths: Any) -> None:
    drawn = draw(name, 10)
    options = {"lengths": lengths, "reverse": reverse}
    whole, cut = scores(drawn, options), scores(drawn, {**options, "remat_steps": 2})
    close(cut, whole, 1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LINEAR])
def test_a_mask_multiplies_what_products_read_of_the_state(name: str) -> None:
    """As if the rows of the recurrent kernels were multiplied, for one row of the batch at a time."""
    cell, parameters, inputs, carry = draw(name, 11)
    mask = jnp.asarray(np.random.default_rng(2).choice([0.0, 2.0], (BATCH, HIDDEN)), jnp.float32)
    found, _ = unroll(cell, parameters, inputs, carry, mask=mask)
    for row in range(BATCH):
        scaled = {
            layer: {**leaves, "kernel": leaves["kernel"] * mask[row][:, None]} if layer[0] == "h" else leaves
            for layer, leaves in parameters.items()
        }
        one = jax.tree.map(lambda part, row=row: part[row : row + 1], (inputs, carry))
        expected, _ = unroll(cell, scaled, *one)
        np.testing.assert_allclose(found[row], expected[0], atol=1e-5)


@pytest.mark.parametrize(("name", "fitting"), [("gru", "scan"), ("lstm", "scan and fused")])
def test_an_implementation_that_does_not_fit_is_refused(name: str, fitting: str) -> None:
    words = f"implementation = parallel: does not fit the cell {name.upper()}; auto and {fitting} do"
    with pytest.raises(UserError, match=words):
        unroll(*draw(name, 12), implementation="parallel")


def test_wrong_lengths_and_carries_are_refused() -> None:
    cell, parameters, inputs, (c, h) = draw("lstm", 13)
    with pytest.raises(UserError, match=r"lengths from -1 to 5: must be from 0 to 5"):
        unroll(cell, parameters, inputs, lengths=jnp.array([-1, 5, 3, 0]))
    with pytest.raises(UserError, match=r"lengths from 0 to 6: must be from 0 to 5"):
        unroll(cell, parameters, inputs, lengths=jnp.array([6, 5, 3, 0]))
    for wrong in (h, (c, h[:2]), (c, h.astype(jnp.float16)), (c, h, h)):
        with pytest.raises(UserError, match=r"LSTM takes \('float32\[4, 6\]', 'float32\[4, 6\]'\)"):
            unroll(cell, parameters, inputs, wrong)
