"""Unrolling a cell: equal to a Python loop, unaffected by padding and by later steps, exact gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from random_cells import (
    BATCH,
    HIDDEN,
    LENGTHS,
    LINEAR,
    MAPPED,
    NAMES,
    TIME,
    Program,
    Variant,
    assert_close,
    assert_gradients_equal_central_differences,
    assert_outputs_depend_on_the_past_alone,
    assert_padding_affects_nothing,
    build_cell,
    compile_unroll,
    draw,
    init_cell,
    loop,
)

from rnn_jax.catalogue import CELLS
from rnn_jax.models import fused_lstm
from rnn_jax.models.recurrence import Implementation, implementations, unroll
from rnn_jax.runtime.errors import UserError

FEW_ROWS = BATCH + 1

ALL = [
    variant
    for name in NAMES
    for way in implementations(build_cell(name))
    for reverse in (False, True)
    for remat in (None, 2)
    for variant in (
        Variant(name, way, reverse, remat),
        Variant(name, way, reverse, remat, rows_in_loop=FEW_ROWS),
    )
    if variant.rows_in_loop == 1 or (name, way) == ("lstm", "fused")
]
# Every cell, every implementation, both directions and gradient checkpointing, each at least once.
CHOSEN = [
    *(Variant(name) for name in NAMES if name not in LINEAR),
    Variant("gru", reverse=True, remat_steps=2),
    Variant("lstm", "fused"),
    Variant("lstm", "fused", rows_in_loop=FEW_ROWS),
    Variant("lstm", "fused", reverse=True, rows_in_loop=FEW_ROWS),
    Variant("lstm", "fused", reverse=True, remat_steps=2),
    Variant("mingru", "fused", reverse=True),
    Variant("minlstm", "parallel", reverse=True),
    Variant("lru", "scan"),
    Variant("lru", "fused", remat_steps=2),
    Variant("lru", "parallel"),
]


@pytest.fixture(
    scope="module",
    params=[*CHOSEN, *(pytest.param(one, marks=pytest.mark.matrix) for one in ALL if one not in CHOSEN)],
    ids=str,
)
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


@pytest.fixture(scope="module")
def program(variant: Variant) -> Program:
    """Compiled once for all that is asked of it."""
    return compile_unroll(variant)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equals_a_python_loop_over_the_real_steps(variant: Variant, program: Program, seed: int) -> None:
    tree, lengths = draw(variant, seed), np.random.default_rng(seed).integers(0, TIME + 1, BATCH)
    lengths[0] = 0
    found = program(tree, lengths)
    outputs, carry = loop(variant, tree, lengths)
    assert_close((found.outputs, found.carry), (outputs, carry), 1e-12)
    # A row of length 0 returns its initial carry, bit for bit.
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[0], b[0]), found.carry, carry)


def test_padding_affects_nothing(variant: Variant, program: Program) -> None:
    assert_padding_affects_nothing(program, draw(variant))


def test_no_output_depends_on_later_steps(variant: Variant, program: Program) -> None:
    assert_outputs_depend_on_the_past_alone(program, draw(variant), reverse=variant.reverse)


def test_gradients_equal_central_differences(variant: Variant, program: Program) -> None:
    assert_gradients_equal_central_differences(program, draw(variant))


def test_state_kernels_are_those_that_multiply_the_state(variant: Variant, program: Program) -> None:
    """With h = 0, their gradients after one step are zero, and those of no other kernels."""
    tree = draw(variant)
    carry = tree["carry"]
    has_memory = variant.cell.startswith("lstm")
    tree["carry"] = (carry[0], 0 * carry[1]) if has_memory else jax.tree.map(np.zeros_like, carry)
    layers = program(tree, np.ones(BATCH)).gradients["parameters"]
    kernels = {name: layer["kernel"] for name, layer in layers.items() if "kernel" in layer}
    zero = {name for name, kernel in kernels.items() if not kernel.any()}
    assert zero == set(CELLS[variant.cell].state_kernels)


def test_gradients_of_initial_parameters_are_bounded_after_zeros(variant: Variant, program: Program) -> None:
    """Zeros keep the state at zero, where the slope of layer normalization is steep."""
    tree = draw(variant)
    tree["parameters"] = jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float64), init_cell(variant.cell, jax.random.key(0))
    )
    tree["carry"] = jax.tree.map(np.zeros_like, tree["carry"])
    tree["input_map"]["bias"][:] = 0
    zeros = slice(2, None) if variant.reverse else slice(0, -2)
    tree["inputs"][:, zeros] = 0
    gradients = jax.tree.leaves(program(tree, np.full(BATCH, TIME)).gradients["parameters"])
    assert 1e-3 < np.sqrt(sum((leaf**2).sum() for leaf in gradients)) < 1e3


@pytest.mark.parametrize(
    ("name", "way"), [("rnn", "scan"), ("lstm", "fused"), ("lru", "fused"), ("lru", "parallel")]
)
def test_lengths_masks_and_input_maps_are_optional(name: str, way: Implementation) -> None:
    """Without them every step is real, and the cell reads the inputs as they are, also in chunks of time."""
    cell, parameters = build_cell(name), init_cell(name, jax.random.key(0))
    inputs = jax.random.normal(jax.random.key(1), (BATCH, TIME, MAPPED), jnp.float32)
    everything = {
        "carry": cell.initialize_carry(jax.random.key(0), (BATCH, MAPPED)),
        "lengths": jnp.full(BATCH, TIME),
        "mask": None if name in LINEAR else jnp.ones((BATCH, HIDDEN), jnp.float32),
        "input_map": {"kernel": jnp.eye(MAPPED, dtype=jnp.float32), "bias": jnp.zeros(MAPPED, jnp.float32)},
    }
    given: tuple[dict[str, Any], ...] = ({}, {"remat_steps": 2}, everything)

    @jax.jit
    def run(parameters: Any, inputs: jax.Array) -> Any:
        return [unroll(cell, parameters, inputs, implementation=way, **options) for options in given]

    plain, in_chunks, explicit = run(parameters, inputs)
    assert_close(plain, explicit, 3e-6)
    assert_close(in_chunks, explicit, 3e-6)


@pytest.mark.parametrize(
    ("name", "rows_in_loop", "tolerance"), [("lstm", 1, 1e-5), ("lstm", FEW_ROWS, 1e-5), ("lru", 1, 2e-4)]
)
def test_implementations_are_equal_in_float32(
    name: str, rows_in_loop: int, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_lstm, "ROWS_IN_LOOP", rows_in_loop)
    cell, parameters = build_cell(name), init_cell(name, jax.random.key(0))
    inputs = jax.random.normal(jax.random.key(1), (BATCH, TIME, MAPPED), jnp.float32)

    def score(parameters: Any, inputs: jax.Array, way: Implementation) -> jax.Array:
        outputs, carry = unroll(cell, parameters, inputs, lengths=jnp.asarray(LENGTHS), implementation=way)
        return sum(((jnp.abs(leaf) ** 2).sum() for leaf in jax.tree.leaves(carry)), (outputs**3).sum())

    @jax.jit
    def gradients(parameters: Any, inputs: jax.Array) -> Any:
        return [
            jax.value_and_grad(score, argnums=(0, 1))(parameters, inputs, way)
            for way in implementations(cell)
        ]

    scan, *others = gradients(parameters, inputs)
    for other in others:
        assert_close(other, scan, tolerance)


def test_the_scan_equals_flaxs_rnn_over_flaxs_cell() -> None:
    cell, parameters = build_cell("lstm"), init_cell("lstm", jax.random.key(0))
    inputs = jax.random.normal(jax.random.key(1), (BATCH, TIME, MAPPED), jnp.float32)
    ours, _ = unroll(cell, parameters, inputs, implementation="scan")
    flaxs: Any = nn.RNN(nn.LSTMCell(HIDDEN)).apply({"params": {"cell": parameters}}, inputs)
    np.testing.assert_allclose(ours, flaxs, atol=1e-6)


@pytest.mark.parametrize(("name", "fitting"), [("gru", "scan"), ("lstm", "scan or fused")])
def test_an_implementation_that_does_not_fit_the_cell_is_an_error(name: str, fitting: str) -> None:
    message = f"implementation = parallel: does not fit the cell {name.upper()}; use auto or {fitting}"
    with pytest.raises(UserError, match=message):
        unroll(build_cell(name), {}, jnp.zeros((BATCH, TIME, MAPPED)), implementation="parallel")


def test_wrong_lengths_and_carries_are_errors() -> None:
    cell, inputs = build_cell("lstm"), jnp.zeros((BATCH, TIME, MAPPED), jnp.float32)
    for lengths, found in ([-1, 5, 3, 0], "-1 to 5"), ([6, 5, 3, 0], "0 to 6"):
        with pytest.raises(UserError, match=rf"lengths from {found}: must be from 0 to 5"):
            unroll(cell, {}, inputs, lengths=jnp.array(lengths))
    parameters, h = init_cell("lstm", jax.random.key(0)), jnp.zeros((BATCH, HIDDEN), jnp.float32)
    for carry in (h, (h, h[:2]), (h, h.astype(jnp.float16)), (h, h, h)):
        with pytest.raises(UserError, match=r"LSTM takes \('float32\[4, 3\]', 'float32\[4, 3\]'\)"):
            unroll(cell, parameters, inputs, carry)
