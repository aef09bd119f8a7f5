"""`unroll` with random arguments, right ones and wrong ones: equal to a Python loop, or a `UserError`."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import odd_cells
import pytest
from flax import linen as nn
from odd_cells import BATCH, FEATURES, HIDDEN, TIME

from rnn_jax.models import unroll
from rnn_jax.models.cells import GRU, LRU, LSTM, MinGRU
from rnn_jax.runtime.errors import UserError

CELLS = (
    LSTM(HIDDEN),
    LSTM(HIDDEN, activation_fn=nn.relu),
    LSTM(HIDDEN, gate_fn=nn.hard_sigmoid),
    LSTM(HIDDEN, dtype=jnp.bfloat16),
    LSTM(HIDDEN, carry_init=nn.initializers.normal(1.0)),
    odd_cells.NegatedLSTM(HIDDEN),
    nn.LSTMCell(HIDDEN),
    GRU(HIDDEN),
    MinGRU(HIDDEN),
    odd_cells.NegatedMinGRU(HIDDEN),
    odd_cells.DoubledMinGRU(HIDDEN),
    LRU(HIDDEN),
    odd_cells.Nested(HIDDEN),
)
LENGTHS = (
    np.int8,
    np.uint8,
    np.uint16,
    np.int32,
    np.int64,
    list,
    bool,
    np.float32,
    "negative",
    "long",
    "two",
)


def draw(seed: int) -> tuple[nn.RNNCellBase, Any, Any, dict[str, Any], bool]:
    """A cell, parameters, inputs, the options of `unroll`, and whether the contract allows them for sure."""
    rng = np.random.default_rng(seed)

    def choose(usual: Any, *others: Any) -> Any:
        return others[rng.integers(len(others))] if rng.random() < 0.25 else usual

    cell = CELLS[seed % len(CELLS)]
    dtype = choose(np.float32, np.float64, jnp.bfloat16, np.float16, np.int32)
    parameter_dtype = choose(jnp.float32, jnp.bfloat16)
    inputs = rng.normal(size=(BATCH, TIME, FEATURES)).astype(dtype)
    kind = LENGTHS[rng.integers(len(LENGTHS))] if rng.random() < 0.7 else None
    lengths: Any = rng.integers(0, TIME + 1, BATCH)
    if kind in ("negative", "long"):
        lengths[0] = -1 if kind == "negative" else TIME + 1
    elif kind is None or kind == "two":
        lengths = lengths[:2] if kind else None
    else:
        lengths = lengths.tolist() if kind is list else lengths.astype(kind)
    own = cell.initialize_carry(jax.random.key(0), (BATCH, FEATURES))
    given = jax.tree.map(lambda part: jnp.asarray(rng.normal(size=part.shape), part.dtype), own)
    half, short = (
        jax.tree.map(lambda part: part.real.astype(jnp.float16), given),
        jax.tree.map(lambda p: p[:1], given),
    )
    carry = choose(None, given, given, half, short, (given,), 0.0)
    ones = rng.integers(0, 3, (BATCH, HIDDEN))
    masks = (ones.astype(np.float32), ones.astype(np.float32), ones, ones > 0, ones[:1], ones[:, 0], 1.0)
    options = {
        "carry": carry,
        "lengths": lengths,
        "mask": choose(None, *masks),
        "reverse": bool(rng.integers(2)),
        "remat_steps": choose(None, 1, 3, 9, 0, -1),
        "implementation": choose("auto", "scan", "fused", "parallel"),
    }
    usual = dtype in (np.float32, np.float64) and parameter_dtype == jnp.float32
    usual &= kind not in (bool, np.float32, "negative", "long", "two")
    usual &= carry is None or carry is given
    usual &= options["mask"] is None and options["implementation"] in ("auto", "scan")
    usual &= options["remat_steps"] in (None, 1, 3, 9)
    return cell, odd_cells.init(cell, parameter_dtype), inputs, options, usual


@pytest.fixture(autouse=True)
def standard_promotion(strict_dtypes: None) -> Iterator[None]:
    """Users mix dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def compare(seed: int) -> bool:
    """Compare `unroll` with the loop; return whether it took the arguments."""
    cell, parameters, inputs, options, usual = draw(seed)
    try:
        found = unroll(cell, parameters, inputs, **options)
    except UserError as error:
        if usual:
            raise AssertionError(seed) from error
        return False
    given = {name: options[name] for name in ("carry", "lengths", "reverse", "mask")}
    expected = odd_cells.loop(cell, parameters, inputs, **given)
    dtypes = (inputs.dtype, *(leaf.dtype for leaf in jax.tree.leaves(parameters)))
    is_short = any(dtype.itemsize == 2 for dtype in dtypes) or getattr(cell, "dtype", None) is not None
    tolerance = 0.1 if is_short else 1e-5
    assert jax.tree.structure(found) == jax.tree.structure(expected), seed
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape, seed
        values = np.asarray(one).astype(other.dtype)
        np.testing.assert_allclose(values, other, atol=tolerance, rtol=tolerance, err_msg=str(seed))
    return True


@pytest.mark.parametrize("first", range(0, 52, 13))
def test_any_arguments_are_computed_as_by_a_loop_or_refused(first: int) -> None:
    assert sum(compare(seed) for seed in range(first, first + 13)) >= 2
