"""A cell over time: one function that unrolls any cell, however it is computed."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.core import Tracer

from rnn_jax.models import fused_lstm
from rnn_jax.models.cells import LSTM
from rnn_jax.models.cells.linear_recurrence import LinearRecurrence
from rnn_jax.models.linear import affine
from rnn_jax.models.unrolling import (
    Carry,
    Padding,
    in_stretches,
    read,
    states_at_once,
    states_one_by_one,
    step_by_step,
)
from rnn_jax.runtime.errors import UserError

Implementation = Literal["auto", "scan", "fused", "parallel"]


def implementations(cell: nn.RNNCellBase) -> tuple[Implementation, ...]:
    """The implementations that fit a cell."""
    if isinstance(cell, LinearRecurrence):
        return ("scan", "fused", "parallel")
    return ("scan", "fused") if isinstance(cell, LSTM) else ("scan",)


def check(cell: nn.RNNCellBase, implementation: Implementation) -> None:
    """Raises UserError where an implementation does not fit a cell."""
    fitting = implementations(cell)
    if implementation not in ("auto", *fitting):
        raise UserError(
            f"model.implementation = {implementation}: does not fit the cell {type(cell).__name__}; "
            f"auto and {' and '.join(fitting)} do"
        )


def choose(cell: nn.RNNCellBase, implementation: Implementation) -> Implementation:
    """What 'auto' stands for, the fastest that fits, by experiments/speed; anything else stands for itself.

    On a CPU a loop that keeps little is the fastest. On an accelerator, where a loop leaves most of the
    device idle, a linear recurrence is computed for all steps at once; that is not measured here yet.
    """
    if implementation != "auto":
        return implementation
    if isinstance(cell, LinearRecurrence) and jax.default_backend() != "cpu":
        return "parallel"
    return "fused" if "fused" in implementations(cell) else "scan"


def unroll(
    cell: nn.RNNCellBase,
    parameters: dict[str, Any],
    inputs: jax.Array,
    carry: Carry = None,
    *,
    lengths: jax.Array | None = None,
    reverse: bool = False,
    input_map: dict[str, jax.Array] | None = None,
    mask: jax.Array | None = None,
    remat_steps: int | None = None,
    implementation: Implementation = "auto",
) -> tuple[jax.Array, Carry]:
    """Runs a cell over the time steps of a batch.

    Args:
        cell: a Flax cell, `cell(carry, inputs) -> (carry, output)`.
        parameters: its parameters, the tree that `cell.init` gives under 'params'.
        inputs: [batch, time, features].
        carry: the initial state; None: the cell's own (zeros).
        lengths: [batch], how many steps of each row are real; None: all. What follows them is padding: it
            influences nothing, the outputs there are zero, and a row of length 0 returns its initial carry.
        reverse: run from each row's last real step to its first.
        input_map: `kernel` [features, mapped] and `bias` [mapped] of a linear layer between inputs and cell.
        mask: [batch, hidden], multiplies the hidden state where a product reads it, the same at every step;
            None: ones.
        remat_steps: keep for the backward pass what is between stretches of so many steps, and compute
            what is inside them again; None: keep everything.
        implementation: 'scan' is `nn.scan` over the cell; 'fused' is the LSTM with a backward pass of its
            own, or a linear recurrence that computes each step again instead of keeping it; 'parallel'
            computes all steps of a linear recurrence at once; 'auto' picks the fastest that fits.

    Returns:
        The outputs [batch, time, hidden], each where its input was, and the final carry.

    Raises:
        UserError: the implementation does not fit the cell, lengths are negative or longer than time, or the
            carry has another structure, shape or type than the cell's.
    """
    check(cell, implementation)
    implementation = choose(cell, implementation)
    padding = None if lengths is None else _padding(lengths, inputs.shape[1])
    if padding is not None:
        # Before anything is computed from them: 0 · nan would reach the gradients through a later mask.
        inputs = jnp.where(padding[:, :, None], 0, inputs)
    is_fused_lstm = implementation == "fused" and isinstance(cell, LSTM)
    if input_map is not None and not is_fused_lstm:
        inputs = affine(input_map, inputs)
    carry = _initial_carry(cell, inputs, carry)

    def run(carry: Carry, inputs: jax.Array, padding: Padding) -> tuple[Carry, jax.Array]:
        if is_fused_lstm:
            return fused_lstm.run(parameters, carry, inputs, padding, reverse, input_map, mask)
        if implementation == "scan" or not isinstance(cell, LinearRecurrence):
            return step_by_step(cell, parameters, carry, inputs, padding, reverse, mask)
        states_of = states_at_once if implementation == "parallel" else states_one_by_one
        carry, states = states_of(cell, parameters, carry, inputs, padding, reverse)
        return carry, read(cell, parameters, states, inputs, padding)

    if remat_steps is None or remat_steps >= inputs.shape[1]:
        carry, outputs = run(carry, inputs, padding)
    else:
        carry, outputs = in_stretches(jax.checkpoint(run), carry, inputs, padding, reverse, remat_steps)
    return outputs, carry


def _padding(lengths: jax.Array, time: int) -> jax.Array:
    """Which steps [batch, time] are padding. Lengths that are known already are checked."""
    if not isinstance(lengths, Tracer):
        known = np.asarray(lengths)
        least, most = int(known.min()), int(known.max())
        if least < 0 or most > time:
            raise UserError(f"lengths from {least} to {most}: must be from 0 to {time}, the number of steps")
    return jnp.arange(time, dtype=lengths.dtype)[None, :] >= lengths[:, None]


def _initial_carry(cell: nn.RNNCellBase, inputs: jax.Array, carry: Carry) -> Carry:
    """The carry to begin with: the cell's own for None; one that is given must be like the cell's own."""
    # A cell's own initial carry draws no numbers; the key is a formality of Flax's interface.
    own = cell.initialize_carry(jax.random.key(0), (inputs.shape[0], inputs.shape[2]))
    own = jax.tree.map(lambda part: part.astype(_like(part.dtype, inputs.dtype)), own)
    if carry is None:
        return own
    expected, found = (
        jax.tree.map(lambda part: f"{part.dtype}{list(part.shape)}", tree) for tree in (own, carry)
    )
    if expected != found:
        raise UserError(f"carry is {found}: {type(cell).__name__} takes {expected}")
    return carry


def _like(carried: Any, given: Any) -> Any:
    """The carry's type in the precision of the inputs: complex where the carry is."""
    if not jnp.issubdtype(carried, jnp.complexfloating):
        return given
    return jnp.complex128 if given == jnp.float64 else jnp.complex64
