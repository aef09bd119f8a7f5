"""A cell over time: `unroll` runs any cell over a batch of sequences, with any implementation."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.core import Tracer

from rnn_jax.models import fused_lstm
from rnn_jax.models.cells.linear_recurrence import LinearRecurrence
from rnn_jax.models.cells.lstm import LSTM
from rnn_jax.models.linear import affine
from rnn_jax.models.scans import Steps, scan_cell, scan_chunks, scan_linear
from rnn_jax.models.types import Array, Carry, InputMap, Lengths, Parameters
from rnn_jax.runtime.devices import platform
from rnn_jax.runtime.errors import UserError

Implementation = Literal["auto", "scan", "fused", "parallel"]


def implementations(cell: nn.RNNCellBase) -> tuple[Implementation, ...]:
    """Return the implementations that fit a cell."""
    if isinstance(cell, LinearRecurrence):
        return ("scan", "fused", "parallel")
    return ("scan", "fused") if isinstance(cell, LSTM) else ("scan",)


def choose_implementation(cell: nn.RNNCellBase, implementation: Implementation) -> Implementation:
    """Resolve 'auto' to the implementation that experiments/speed found fastest; return others as they are.

    On a CPU a loop that stores little is fastest. On an accelerator, where a loop leaves most of the device
    idle, a linear recurrence is computed in parallel; that has not been measured here yet.

    Raises:
        UserError: the implementation does not fit the cell.
    """
    fitting = implementations(cell)
    if implementation == "auto":
        if "parallel" in fitting and platform() != "cpu":
            return "parallel"
        return "fused" if "fused" in fitting else "scan"
    if implementation not in fitting:
        raise UserError(
            f"model.implementation = {implementation}: does not fit the cell {type(cell).__name__}; "
            f"use auto or {' or '.join(fitting)}"
        )
    return implementation


def unroll(
    cell: nn.RNNCellBase,
    parameters: Parameters,
    inputs: Array,
    carry: Carry = None,
    *,
    lengths: Lengths = None,
    reverse: bool = False,
    input_map: InputMap = None,
    mask: Array | None = None,
    remat_steps: int | None = None,
    implementation: Implementation = "auto",
) -> tuple[Array, Carry]:
    """Run a cell over the time steps of a batch.

    Args:
        cell: a Flax cell, `cell(carry, inputs) -> (carry, output)`.
        parameters: its parameters, the tree that `cell.init` returns under 'params'.
        inputs: [batch, time, features].
        carry: the initial carry; None: the cell's own (zeros).
        lengths: [batch], the number of real steps of each row; None: all. Later steps are padding: their
            outputs are zero, and they affect neither carries nor gradients. A row of length 0 returns its
            initial carry.
        reverse: run from each row's last real step to its first.
        input_map: `kernel` [features, mapped] and `bias` [mapped] of a linear layer between inputs and cell.
        mask: [batch, hidden], multiplies the hidden state where kernels multiply it, the same at every step;
            None: ones.
        remat_steps: gradient checkpointing: store the carry every `remat_steps` steps, and recompute the
            steps between in the backward pass; None: store everything.
        implementation: 'scan' is `nn.scan` over the cell; 'fused' is the LSTM with a backward pass of its
            own, or a linear recurrence that recomputes its coefficients in the backward pass; 'parallel' is
            a linear recurrence by an associative scan; 'auto' is the fastest that fits.

    Returns:
        The outputs [batch, time, hidden], each at the step of its input, and the final carry.

    Raises:
        UserError: the implementation does not fit the cell, lengths are negative or exceed time, or the
            carry differs from the cell's own in structure, shape or dtype.
    """
    implementation, time = choose_implementation(cell, implementation), inputs.shape[1]
    padding = None if lengths is None else _padding(lengths, time)
    if padding is not None:
        # Before anything is computed from padding: 0 · nan would reach the gradients through a later mask.
        inputs = jnp.where(padding[:, :, None], 0, inputs)
    is_fused_lstm = implementation == "fused" and isinstance(cell, LSTM)
    if input_map is not None and not is_fused_lstm:
        inputs = affine(input_map, inputs)
    carry = _initial_carry(cell, inputs, carry)

    def run(carry: Carry, steps: Steps) -> tuple[Carry, Array]:
        if is_fused_lstm:
            return fused_lstm.run(parameters, carry, steps, reverse, input_map, mask)
        if implementation == "scan" or not isinstance(cell, LinearRecurrence):
            return scan_cell(cell, parameters, carry, steps, reverse, mask)
        return scan_linear(cell, parameters, carry, steps, reverse, implementation == "parallel")

    if remat_steps is None or remat_steps >= time:
        carry, outputs = run(carry, (inputs, padding))
    else:
        carry, outputs = scan_chunks(jax.checkpoint(run), carry, (inputs, padding), reverse, remat_steps)
    return outputs, carry


def _padding(lengths: Array, time: int) -> Array:
    """Mark padding steps [batch, time]. Lengths with known values are checked."""
    if not isinstance(lengths, Tracer):
        known = np.asarray(lengths)
        least, most = int(known.min()), int(known.max())
        if least < 0 or most > time:
            raise UserError(f"lengths from {least} to {most}: must be from 0 to {time}, the number of steps")
    return jnp.arange(time, dtype=lengths.dtype)[None, :] >= lengths[:, None]


def _initial_carry(cell: nn.RNNCellBase, inputs: Array, carry: Carry) -> Carry:
    """Return the cell's own carry for None, in the inputs' precision; check that a given one is like it."""
    # Flax's interface asks for a key, which no cell uses: the carry is zeros.
    own = cell.initialize_carry(jax.random.key(0), (inputs.shape[0], inputs.shape[2]))
    real, pair = inputs.dtype, jnp.complex128 if inputs.dtype == jnp.float64 else jnp.complex64
    own = jax.tree.map(lambda part: part.astype(pair if jnp.iscomplexobj(part) else real), own)
    if carry is None:
        return own
    expected, found = (
        jax.tree.map(lambda part: f"{part.dtype}{list(part.shape)}", tree) for tree in (own, carry)
    )
    if expected != found:
        raise UserError(f"carry is {found}: {type(cell).__name__} takes {expected}")
    return carry
