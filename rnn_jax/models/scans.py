"""Scans over time: of any cell, of a linear recurrence sequentially or in parallel, and over chunks.

Each takes the initial carry and inputs [batch, time, features], and returns the final carry and the outputs
[batch, time, hidden], each at the step of its input.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.cells.cell import Mask
from rnn_jax.models.cells.linear_recurrence import LinearRecurrence, compose
from rnn_jax.models.types import Array, Carry, Padding, Parameters

Steps = tuple[Array, Padding]
"""Inputs [batch, time, features], and which of their steps are padding."""


def scan_cell(
    cell: nn.RNNCellBase, parameters: Parameters, carry: Carry, steps: Steps, reverse: bool, mask: Mask
) -> tuple[Carry, Array]:
    """Scan any cell with `nn.scan`."""

    def step(cell: nn.RNNCellBase, carry: Carry, now: Steps) -> tuple[Carry, Any]:
        inputs, is_padding = now
        stepped, output = cell(carry, inputs) if mask is None else cell(carry, inputs, mask)
        kept = jax.tree.map(lambda new, old: where_rows(is_padding, old, new), stepped, carry)
        return kept, jax.tree.map(lambda part: where_rows(is_padding, 0, part), output)

    return _scan(step, cell, parameters, carry, steps, reverse)


def scan_linear(
    cell: LinearRecurrence, parameters: Parameters, carry: Array, steps: Steps, reverse: bool, parallel: bool
) -> tuple[Array, Array]:
    """Scan a linear recurrence for its states, then compute all outputs.

    In parallel it is an associative scan of logarithmic depth. Sequentially it is a loop that stores nothing
    but the states: the backward pass recomputes the coefficients and sums the parameters' gradients in the
    loop, so that no other array [batch, time, hidden] is ever written.
    """
    inputs, padding = steps
    if parallel and inputs.shape[1]:
        coefficients: Any = cell.apply({"params": parameters}, inputs, method="coefficients")
        a, b = where_rows(padding, 1, coefficients[0]), where_rows(padding, 0, coefficients[1])
        a, b = jax.lax.associative_scan(compose, (a, b), reverse=reverse, axis=1)
        states = a * carry[:, None] + b
        carry = states[:, 0 if reverse else -1]
    else:

        def step(cell: LinearRecurrence, carry: Array, now: Steps) -> tuple[Array, Array]:
            state = where_rows(now[1], carry, cell.advance(carry, now[0]))
            return state, state

        carry, states = _scan(nn.remat(step, prevent_cse=False), cell, parameters, carry, steps, reverse)
    return carry, linear_outputs(cell, parameters, states, inputs, padding)


def linear_outputs(
    cell: LinearRecurrence, parameters: Parameters, states: Array, inputs: Array, padding: Padding = None
) -> Array:
    """Return the outputs of a linear recurrence at states [..., hidden]; zero at padding."""
    outputs: Any = cell.apply({"params": parameters}, states, inputs, method="output")
    return where_rows(padding, 0, outputs)


def _scan(
    step: Callable[..., tuple[Carry, Array]],
    cell: nn.RNNCellBase,
    parameters: Parameters,
    carry: Carry,
    steps: Steps,
    reverse: bool,
) -> tuple[Carry, Array]:
    axes: Any = {"in_axes": 1, "out_axes": 1, "variable_broadcast": "params", "split_rngs": {"params": False}}
    carry, outputs = nn.apply(nn.scan(step, reverse=reverse, **axes), cell)(
        {"params": parameters}, carry, steps
    )
    return carry, outputs


def scan_chunks(
    run: Callable[[Carry, Steps], tuple[Carry, Any]],
    carry: Carry,
    steps: Steps,
    reverse: bool,
    length: int | None,
) -> tuple[Carry, Any]:
    """Scan `run` over chunks of `length` steps, with gradient checkpointing; None: all steps are one chunk.

    The last chunk in time may be shorter.
    """
    rows, time = steps[0].shape[:2]
    if length is None or length >= time:
        return run(carry, steps)
    run = jax.checkpoint(run)
    count, rest = divmod(time, length)
    last = jax.tree.map(lambda part: part[:, count * length :], steps)

    def divide(part: Array) -> Array:
        return part[:, : count * length].reshape(rows, count, length, *part.shape[2:]).swapaxes(0, 1)

    def join(part: Array) -> Array:
        return part.swapaxes(0, 1).reshape(rows, count * length, *part.shape[3:])

    last_outputs = []
    if rest and reverse:
        carry, outputs = run(carry, last)
        last_outputs = [outputs]
    carry, outputs = jax.lax.scan(run, carry, jax.tree.map(divide, steps), reverse=reverse)
    outputs = jax.tree.map(join, outputs)
    if rest and not reverse:
        carry, after = run(carry, last)
        last_outputs = [after]
    return carry, jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), outputs, *last_outputs)


def where_rows(rows: Array | None, true: Array | int, false: Array) -> Array:
    """`jnp.where` with a condition over the leading axes; None: true nowhere."""
    if rows is None:
        return false
    rows = rows.reshape(rows.shape + (1,) * (false.ndim - rows.ndim))
    return jnp.where(rows, jnp.asarray(true, false.dtype), false)
