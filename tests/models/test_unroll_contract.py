"""What `unroll` must not fuse, the arguments that it refuses, and derivatives of every kind."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import odd_cells
import pytest
from flax import linen as nn
from jax.flatten_util import ravel_pytree
from networks import build_classifier
from odd_cells import BATCH, FEATURES, HIDDEN, TIME

from rnn_jax.models import fused_lstm, unroll
from rnn_jax.models.cells import GRU, LRU, LSTM, MinGRU
from rnn_jax.runtime.errors import UserError

INPUTS = np.random.default_rng(0).normal(size=(BATCH, TIME, FEATURES)).astype(np.float32)


def assert_close(found: Any, expected: Any, tolerance: float = 1e-6) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, tolerance, tolerance), found, expected)


@pytest.mark.parametrize("field", ["activation_fn", "gate_fn"])
def test_an_lstm_with_other_functions_equals_flaxs_rnn(field: str) -> None:
    functions: dict[str, Any] = {field: nn.relu}
    cell = LSTM(HIDDEN, **functions)
    parameters = odd_cells.init(cell)
    expected: Any = nn.RNN(nn.LSTMCell(HIDDEN, **functions)).apply({"params": {"cell": parameters}}, INPUTS)
    assert_close(unroll(cell, parameters, INPUTS)[0], expected)
    with pytest.raises(UserError, match=f"fused: does not fit the cell LSTM with another {field}; use auto"):
        unroll(cell, parameters, INPUTS, implementation="fused")


@pytest.mark.parametrize(
    "cell", [odd_cells.NegatedLSTM(HIDDEN), odd_cells.NegatedMinGRU(HIDDEN), odd_cells.DoubledMinGRU(HIDDEN)]
)
def test_a_subclass_is_stepped_as_it_says(cell: nn.RNNCellBase, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = odd_cells.init(cell)
    expected = odd_cells.loop(cell, parameters, INPUTS, None, None, False, None)
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        assert_close(unroll(cell, parameters, INPUTS), expected)
    for name in ("fused", "parallel"):
        with pytest.raises(UserError, match=f"{name}: does not fit the cell {type(cell).__name__}; use auto"):
            unroll(cell, parameters, INPUTS, implementation=name)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint32, list])
def test_lengths_of_any_integer_type(dtype: Any) -> None:
    """With more steps than fit into the type."""
    lengths, time = [100, 0, 120], 300
    inputs = np.random.default_rng(0).normal(size=(BATCH, time, FEATURES)).astype(np.float32)
    cell = MinGRU(HIDDEN)
    parameters = odd_cells.init(cell)
    given = lengths if dtype is list else np.array(lengths, dtype)
    outputs, carry = unroll(cell, parameters, inputs, lengths=given)
    for row, length in enumerate(lengths):
        alone, after = unroll(cell, parameters, inputs[row : row + 1, :length])
        np.testing.assert_allclose(outputs[row, :length], alone[0], atol=1e-6)
        np.testing.assert_allclose(carry[row], after[0], atol=1e-6)
        assert not outputs[row, length:].any()
    if dtype is not list:
        traced, _ = jax.jit(lambda lengths: unroll(cell, parameters, inputs, lengths=lengths))(given)
        np.testing.assert_allclose(traced, outputs, atol=1e-6)


@pytest.mark.parametrize("pool", ["last", "mean", "max"])
def test_a_network_with_lengths_of_a_small_type(pool: str) -> None:
    network = build_classifier(pool=pool)
    parameters = network.init(jax.random.key(0), {})
    inputs = np.random.default_rng(0).normal(size=(2, 300, 7)).astype(np.float32)
    found, expected = (
        network.apply(parameters, inputs, jnp.array([200, 100], dtype), None, {}, None)[0]
        for dtype in (jnp.uint8, jnp.int32)
    )
    np.testing.assert_array_equal(found, expected)


H = np.zeros((BATCH, HIDDEN), np.float32)


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        (GRU, {"lengths": [True, True, False]}, r"lengths are bool\[3\]: must be integers \[3\]"),
        (GRU, {"lengths": np.ones(3, np.float32)}, r"lengths are float32\[3\]: must be integers"),
        (GRU, {"lengths": [[1, 2, 3]]}, r"lengths are int64\[1, 3\]: must be integers \[3\]"),
        (GRU, {"lengths": 2}, r"lengths are int64\[\]: must be integers"),
        (GRU, {"lengths": [1, -1, 0]}, "lengths from -1 to 1: must be from 0 to 4"),
        (GRU, {"inputs": INPUTS.astype(np.int32)}, r"inputs are int32\[3, 4, 2\]: GRU takes floating point"),
        (GRU, {"inputs": INPUTS[0]}, r"inputs are float32\[4, 2\]: GRU takes .* \[batch, time, features\]"),
        (GRU, {"carry": H.astype(np.float16)}, r"carry is float16\[3, 3\]: GRU takes float32\[3, 3\]"),
        (GRU, {"carry": 0.0}, r"carry is .*: GRU takes float32\[3, 3\]"),
        (GRU, {"mask": H[:1]}, r"mask is float32\[1, 3\]: must be \[batch, hidden\], \[3, 3\]"),
        (LSTM, {"mask": H[:, :1]}, r"mask is float32\[3, 1\]: must be \[batch, hidden\], \[3, 3\]"),
        (LRU, {"mask": H}, "mask: the cell LRU takes none"),
        (nn.GRUCell, {"mask": H}, "mask: the cell GRUCell takes none"),
        (GRU, {"remat_steps": 0}, "remat_steps = 0: must be at least 1, or None"),
        (GRU, {"parameters": {}}, "GRU: Tried to access"),
    ],
)
def test_wrong_arguments_are_errors(cell: Any, options: dict[str, Any], message: str) -> None:
    built = cell(HIDDEN)
    with pytest.raises(UserError, match=message):
        unroll(built, **{"parameters": odd_cells.init(built), "inputs": INPUTS} | options)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_sixteen_bits_are_computed_or_refused(dtype: Any) -> None:
    for cell in (GRU(HIDDEN), LSTM(HIDDEN), MinGRU(HIDDEN)):
        outputs, _ = unroll(cell, odd_cells.init(cell, dtype), INPUTS.astype(dtype))
        expected, _ = unroll(cell, odd_cells.init(cell), INPUTS)
        assert outputs.dtype == dtype
        np.testing.assert_allclose(outputs.astype(jnp.float32), expected, atol=0.05)
    with pytest.raises(
        UserError, match=r"LRU: inputs or parameters are .*float16: must be float32 or float64"
    ):
        unroll(LRU(HIDDEN), odd_cells.init(LRU(HIDDEN), dtype), INPUTS.astype(dtype))
    with pytest.raises(UserError, match="GRU: Input dtypes"):  # promotion is strict in these tests
        unroll(GRU(HIDDEN), odd_cells.init(GRU(HIDDEN)), INPUTS.astype(dtype))


@pytest.mark.parametrize("way", ["scan", "fused", "parallel"])
def test_no_steps_return_the_initial_carry(way: Any) -> None:
    cell = MinGRU(HIDDEN)
    outputs, carry = unroll(cell, odd_cells.init(cell), INPUTS[:, :0], H + 2, implementation=way)
    assert outputs.shape == (BATCH, 0, HIDDEN)
    np.testing.assert_array_equal(carry, H + 2)


@pytest.mark.parametrize("remat_steps", [None, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_nested_carries_and_outputs(reverse: bool, remat_steps: int | None) -> None:
    cell, lengths = odd_cells.Nested(HIDDEN), np.array([2, 0, TIME])
    parameters = odd_cells.init(cell)
    options: dict[str, Any] = {"lengths": lengths, "reverse": reverse}
    found = unroll(cell, parameters, INPUTS, remat_steps=remat_steps, **options)
    assert_close(found, odd_cells.loop(cell, parameters, INPUTS, None, mask=None, **options))


@pytest.mark.parametrize("rows_in_loop", [1, BATCH + 1])
def test_the_gradient_of_the_mask(rows_in_loop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the fused LSTM, against central differences of the scan."""
    monkeypatch.setattr(fused_lstm, "ROWS_IN_LOOP", rows_in_loop)
    with jax.enable_x64():
        cell, rng = LSTM(HIDDEN), np.random.default_rng(2)
        parameters, inputs = odd_cells.init(cell, jnp.float64), INPUTS.astype(np.float64)
        mask, carry = rng.choice([0.0, 2.0], (BATCH, HIDDEN)), tuple(rng.normal(size=(2, BATCH, HIDDEN)))

        @jax.jit
        def scores(mask: jax.Array) -> Any:
            def score(mask: jax.Array, way: Any) -> jax.Array:
                options = {"lengths": [2, TIME, 0], "mask": mask, "implementation": way}
                outputs, _ = unroll(cell, parameters, inputs, carry, **options)
                return jnp.sin(outputs).sum()

            return score(mask, "scan"), jax.grad(score)(mask, "fused")

        gradient, numeric = scores(mask)[1], np.zeros_like(mask)
        for place in np.ndindex(mask.shape):
            shift = np.zeros_like(mask)
            shift[place] = 1e-5
            numeric[place] = (scores(mask + shift)[0] - scores(mask - shift)[0]) / 2e-5
    assert np.abs(numeric[:2]).min() > 1e-3
    np.testing.assert_allclose(gradient, numeric, atol=1e-8)


def test_the_hessian_of_a_networks_loss_equals_finite_differences() -> None:
    """Forward over reverse, of all parameters: an input layer, two steps of an LSTM, an output layer."""
    with jax.enable_x64():
        network = build_classifier(hidden_size=2, input_projection_size=2, implementation="scan")
        shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), {}))
        rng = np.random.default_rng(3)
        parameters = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), shapes)
        flat, unravel = ravel_pytree(parameters)
        inputs = rng.normal(size=(BATCH, 2, 7))

        def loss(flat: jax.Array) -> jax.Array:
            outputs, _ = network.apply(unravel(flat), inputs, np.array([2, 1, 0]), None, {}, None)
            return (jnp.sin(outputs) ** 2).sum()

        hessian, gradient = jax.jit(jax.hessian(loss))(flat), jax.jit(jax.grad(loss))
        towards = jnp.asarray(rng.normal(size=flat.shape))
        numeric = (gradient(flat + 1e-5 * towards) - gradient(flat - 1e-5 * towards)) / 2e-5
        np.testing.assert_allclose(hessian @ towards, numeric, atol=1e-7)
        assert np.abs(numeric).max() > 0.1
        value, slope = jax.jvp(loss, (flat,), (towards,))
        np.testing.assert_allclose(slope, gradient(flat) @ towards, rtol=1e-10)
        again, linear = jax.linearize(loss, flat)
        assert_close((again, linear(towards)), (value, slope), 1e-10)


@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize("way", ["scan", "fused"])
def test_inputs_of_a_lower_precision_than_the_parameters(way: Any, is_mapped: bool) -> None:
    """The steps compute in the parameters' precision; gradients have the inputs' own."""
    cell = LSTM(HIDDEN)
    parameters, inputs = odd_cells.init(cell), jnp.asarray(INPUTS, jnp.bfloat16)
    input_map = {"kernel": jnp.eye(FEATURES, dtype=jnp.float32), "bias": jnp.zeros(FEATURES, jnp.float32)}

    def score(inputs: jax.Array) -> Any:
        options = {"mask": H > -1, "input_map": input_map if is_mapped else None, "implementation": way}
        outputs, carry = unroll(cell, parameters, inputs, **options)
        return outputs.sum(), (outputs, carry)

    with jax.numpy_dtype_promotion("standard"):
        (_, found), gradient = jax.value_and_grad(score, has_aux=True)(inputs)
        assert_close(found, odd_cells.loop(cell, parameters, inputs, None, None, False, None))
    assert found[0].dtype == jnp.float32
    assert gradient.dtype == jnp.bfloat16
