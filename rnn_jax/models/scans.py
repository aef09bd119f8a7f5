"""Scans over time: of any cell, of a linear recurrence sequentially or in parallel, and over chunks.

Each takes the initial carry and inputs [batch, time, features], and returns the final carry and the outputs
[batch, time, hidden], each at the step of its input.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.cells.linear_recurrence import LinearRecurrence, compose
from rnn_jax.models.types import Array, Carry, Padding, Parameters


def scan_cell(
    cell: nn.RNNCellBase,
    parameters: Parameters,
    carry: Carry,
    inputs: Array,
    padding: Padding,
    reverse: bool,
    mask: Array | None,
) -> tuple[Carry, Array]:
    """Scan any cell with `nn.scan`."""

    def step(cell: nn.RNNCellBase, carry: Carry, inputs: tuple[Array, ...]) -> tuple[Carry, Array]:
        arguments = (carry, inputs[0]) if mask is None else (carry, inputs[0], mask)
        stepped, output = cell(*arguments)
        if len(inputs) == 1:
            return stepped, output
        is_padding = inputs[1]
        kept = jax.tree.map(lambda new, old: where_rows(is_padding, old, new), stepped, carry)
        return kept, where_rows(is_padding, jnp.zeros_like(output), output)

    return _scan(step, cell, parameters, carry, inputs, padding, reverse)


def scan_linear(
    cell: LinearRecurrence,
    parameters: Parameters,
    carry: Array,
    inputs: Array,
    padding: Padding,
    reverse: bool,
    parallel: bool,
) -> tuple[Array, Array]:
    """Scan a linear recurrence for its states, in parallel or sequentially, then compute all outputs."""
    states_of = _parallel_states if parallel else _sequential_states
    carry, states = states_of(cell, parameters, carry, inputs, padding, reverse)
    return carry, linear_outputs(cell, parameters, states, inputs, padding)


def linear_outputs(
    cell: LinearRecurrence, parameters: Parameters, states: Array, inputs: Array, padding: Padding = None
) -> Array:
    """Return the outputs of a linear recurrence at states [..., hidden]; zero at padding."""
    outputs: Any = cell.apply({"params": parameters}, states, inputs, method="output")
    return outputs if padding is None else where_rows(padding, jnp.zeros_like(outputs), outputs)


def _sequential_states(
    cell: LinearRecurrence,
    parameters: Parameters,
    carry: Array,
    inputs: Array,
    padding: Padding,
    reverse: bool,
) -> tuple[Array, Array]:
    """The states, from a loop that stores nothing else for the backward pass.

    The backward pass recomputes the coefficients and sums the parameters' gradients in the loop, so that no
    other array [batch, time, hidden] is ever written.
    """

    def step(cell: LinearRecurrence, carry: Array, inputs: tuple[Array, ...]) -> tuple[Array, Array]:
        state = cell.advance(carry, inputs[0])
        if len(inputs) == 2:
            state = where_rows(inputs[1], carry, state)
        return state, state

    return _scan(nn.remat(step, prevent_cse=False), cell, parameters, carry, inputs, padding, reverse)


def _parallel_states(
    cell: LinearRecurrence,
    parameters: Parameters,
    carry: Array,
    inputs: Array,
    padding: Padding,
    reverse: bool,
) -> tuple[Array, Array]:
    """The states, from an associative scan of logarithmic depth."""
    coefficients: Any = cell.apply({"params": parameters}, inputs, method="coefficients")
    a, b = coefficients
    if padding is not None:
        a, b = where_rows(padding, jnp.ones_like(a), a), where_rows(padding, jnp.zeros_like(b), b)
    a, b = jax.lax.associative_scan(compose, (a, b), reverse=reverse, axis=1)
    states = a * carry[:, None] + b
    return states[:, 0 if reverse else -1], states


def _scan(
    step: Callable[..., tuple[Carry, Array]],
    cell: nn.RNNCellBase,
    parameters: Parameters,
    carry: Carry,
    inputs: Array,
    padding: Padding,
    reverse: bool,
) -> tuple[Carry, Array]:
    scan = nn.scan(
        step,
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=1,
        out_axes=1,
        reverse=reverse,
    )
    steps = (inputs,) if padding is None else (inputs, padding)
    carry, outputs = nn.apply(scan, cell)({"params": parameters}, carry, steps)
    return carry, outputs


def scan_chunks(
    run: Callable[..., tuple[Carry, Array]],
    carry: Carry,
    inputs: Array,
    padding: Padding,
    reverse: bool,
    length: int,
) -> tuple[Carry, Array]:
    """Scan `run` over chunks of `length` steps; the last steps in time may be a shorter chunk."""
    count, rest = divmod(inputs.shape[1], length)
    steps = (inputs, padding)
    last = jax.tree.map(lambda part: part[:, count * length :], steps)
    chunks = jax.tree.map(
        lambda part: (
            part[:, : count * length].reshape(len(part), count, length, *part.shape[2:]).swapaxes(0, 1)
        ),
        steps,
    )
    last_outputs = None
    if rest and reverse:
        carry, last_outputs = run(carry, *last)
    carry, outputs = jax.lax.scan(lambda carry, chunk: run(carry, *chunk), carry, chunks, reverse=reverse)
    outputs = outputs.swapaxes(0, 1).reshape(len(inputs), count * length, -1)
    if rest and not reverse:
        carry, last_outputs = run(carry, *last)
    return carry, outputs if last_outputs is None else jnp.concatenate([outputs, last_outputs], axis=1)


def where_rows(rows: Array, true: Array, false: Array) -> Array:
    """`jnp.where` with a condition over the leading axes."""
    return jnp.where(rows.reshape(rows.shape + (1,) * (true.ndim - rows.ndim)), true, false)
