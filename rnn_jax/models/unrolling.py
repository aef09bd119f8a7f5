"""The ways to run a cell over time, each for a stretch of steps: loops, and all steps at once.

Each takes a carry and inputs [batch, time, features], and returns the carry after them and what was said at
every step [batch, time, hidden], where its input was.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.cells.linear_recurrence import LinearRecurrence, compose

Carry = Any
"""A cell's state: any pytree of arrays [batch, ...]."""

Padding = jax.Array | None
"""[batch, time], bool: the steps that are not real; None: all are."""


def read(
    cell: LinearRecurrence,
    parameters: dict[str, Any],
    states: jax.Array,
    inputs: jax.Array,
    padding: Padding = None,
) -> jax.Array:
    """The outputs of a linear recurrence at given states [..., hidden], zero where there is padding."""
    outputs: Any = cell.apply({"params": parameters}, states, inputs, method="output")
    return outputs if padding is None else choose_rows(padding, jnp.zeros_like(outputs), outputs)


def step_by_step(
    cell: nn.RNNCellBase,
    parameters: dict[str, Any],
    carry: Carry,
    inputs: jax.Array,
    padding: Padding,
    reverse: bool,
    mask: jax.Array | None,
) -> tuple[Carry, jax.Array]:
    """`nn.scan` over the cell."""

    def step(cell: nn.RNNCellBase, carry: Carry, inputs: tuple[jax.Array, ...]) -> tuple[Carry, jax.Array]:
        arguments = (carry, inputs[0]) if mask is None else (carry, inputs[0], mask)
        stepped, output = cell(*arguments)
        if len(inputs) == 1:
            return stepped, output
        is_padding = inputs[1]
        kept = jax.tree.map(lambda new, old: choose_rows(is_padding, old, new), stepped, carry)
        return kept, choose_rows(is_padding, jnp.zeros_like(output), output)

    return _scan(step, cell, parameters, carry, inputs, padding, reverse)


def states_one_by_one(
    cell: LinearRecurrence,
    parameters: dict[str, Any],
    carry: jax.Array,
    inputs: jax.Array,
    padding: Padding,
    reverse: bool,
) -> tuple[jax.Array, jax.Array]:
    """The states of a linear recurrence in a loop that keeps nothing else for the backward pass.

    What leads from one state to the next is computed again there, and the gradients of the parameters are
    summed up in the loop: nothing else of the size [batch, time, hidden] is ever written.
    """

    def step(
        cell: LinearRecurrence, carry: jax.Array, inputs: tuple[jax.Array, ...]
    ) -> tuple[jax.Array, jax.Array]:
        state = cell.advance(carry, inputs[0])
        if len(inputs) == 2:
            state = choose_rows(inputs[1], carry, state)
        return state, state

    return _scan(nn.remat(step, prevent_cse=False), cell, parameters, carry, inputs, padding, reverse)


def _scan(
    step: Callable[..., tuple[Carry, jax.Array]],
    cell: nn.RNNCellBase,
    parameters: dict[str, Any],
    carry: Carry,
    inputs: jax.Array,
    padding: Padding,
    reverse: bool,
) -> tuple[Carry, jax.Array]:
    over_time = nn.scan(
        step,
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=1,
        out_axes=1,
        reverse=reverse,
    )
    steps = (inputs,) if padding is None else (inputs, padding)
    carry, outputs = nn.apply(over_time, cell)({"params": parameters}, carry, steps)
    return carry, outputs


def states_at_once(
    cell: LinearRecurrence,
    parameters: dict[str, Any],
    carry: jax.Array,
    inputs: jax.Array,
    padding: Padding,
    reverse: bool,
) -> tuple[jax.Array, jax.Array]:
    """The states of a linear recurrence by an associative scan, of logarithmic depth."""
    coefficients: Any = cell.apply({"params": parameters}, inputs, method="coefficients")
    a, b = coefficients
    if padding is not None:
        a, b = choose_rows(padding, jnp.ones_like(a), a), choose_rows(padding, jnp.zeros_like(b), b)
    a, b = jax.lax.associative_scan(compose, (a, b), reverse=reverse, axis=1)
    states = a * carry[:, None] + b
    return states[:, 0 if reverse else -1], states


def in_stretches(
    run: Callable[..., tuple[Carry, jax.Array]],
    carry: Carry,
    inputs: jax.Array,
    padding: Padding,
    reverse: bool,
    length: int,
) -> tuple[Carry, jax.Array]:
    """Runs over stretches of `length` steps one after the other, and over what is left at the end."""
    whole = inputs.shape[1] // length
    steps = (inputs, padding)
    rest = jax.tree.map(lambda part: part[:, whole * length :], steps)
    stretches = jax.tree.map(
        lambda part: (
            part[:, : whole * length].reshape(len(part), whole, length, *part.shape[2:]).swapaxes(0, 1)
        ),
        steps,
    )
    has_rest = inputs.shape[1] % length > 0
    outputs_of_rest = None
    if has_rest and reverse:
        carry, outputs_of_rest = run(carry, *rest)
    carry, outputs = jax.lax.scan(lambda carry, steps: run(carry, *steps), carry, stretches, reverse=reverse)
    outputs = outputs.swapaxes(0, 1).reshape(len(inputs), whole * length, -1)
    if has_rest and not reverse:
        carry, outputs_of_rest = run(carry, *rest)
    return carry, outputs if outputs_of_rest is None else jnp.concatenate([outputs, outputs_of_rest], axis=1)


def choose_rows(rows: jax.Array, true: jax.Array, false: jax.Array) -> jax.Array:
    """`jnp.where` for a condition over the leading axes alone."""
    return jnp.where(rows.reshape(rows.shape + (1,) * (true.ndim - rows.ndim)), true, false)
