"""A cell over time: `unroll` runs any cell over a batch of sequences, with any implementation."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models import fused_lstm
from rnn_jax.models.cells.linear_recurrence import is_linear
from rnn_jax.models.contract import check_carry, check_inputs, check_lengths, check_mask
from rnn_jax.models.linear import choose_affine
from rnn_jax.models.scans import Steps, scan_cell, scan_chunks, scan_linear, where_rows
from rnn_jax.models.types import ArrayLike, Carry, InputMap, LengthsLike, Parameters
from rnn_jax.runtime.devices import platform
from rnn_jax.runtime.errors import UserError

Implementation = Literal["auto", "scan", "fused", "parallel"]


def implementations(cell: nn.RNNCellBase) -> tuple[Implementation, ...]:
    """Return the implementations that fit a cell: only those known to compute what its own steps compute."""
    if is_linear(cell):
        return ("scan", "fused", "parallel")
    return ("scan", "fused") if fused_lstm.differences(cell) == () else ("scan",)


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
        different = fused_lstm.differences(cell)
        name = type(cell).__name__ + (f" with another {' and '.join(different)}" if different else "")
        raise UserError(
            f"model.implementation = {implementation}: does not fit the cell {name}; "
            f"use auto or {' or '.join(fitting)}"
        )
    return implementation


def unroll(
    cell: nn.RNNCellBase,
    parameters: Parameters,
    inputs: ArrayLike,
    carry: Carry = None,
    *,
    lengths: LengthsLike = None,
    reverse: bool = False,
    input_map: InputMap = None,
    mask: ArrayLike | None = None,
    remat_steps: int | None = None,
    implementation: Implementation = "auto",
) -> tuple[Any, Carry]:
    """Run a cell over the time steps of a batch.

    The result is that of a loop over the cell's own steps, in any implementation. Dtypes promote as in the
    cell. Only 'scan', set explicitly, has forward-mode derivatives (`jax.jvp`, `jax.hessian`).

    Args:
        cell: a Flax cell, `cell(carry, inputs) -> (carry, output)`; with trees of arrays [batch, ...].
        parameters: its parameters, the tree that `cell.init` returns under 'params'.
        inputs: [batch, time, features], floating point.
        carry: the initial carry; None: the cell's own (zeros).
        lengths: [batch], integers, the number of real steps of each row; None: all. Later steps are padding:
            their outputs are zero, and they affect neither carries nor gradients. A row of length 0 returns
            its initial carry.
        reverse: run from each row's last real step to its first.
        input_map: `kernel` [features, mapped] and `bias` [mapped] of a linear layer between inputs and cell.
        mask: [batch, hidden], multiplies the hidden state where kernels multiply it, the same at every step;
            None: ones.
        remat_steps: gradient checkpointing: store the carry every `remat_steps` steps, and recompute the
            steps between in the backward pass; None: store everything.
        implementation: 'scan' is `nn.scan` over the cell; 'fused' is the LSTM with a backward pass of its
            own, or a linear recurrence that recomputes its coefficients in the backward pass; 'parallel' is
            a linear recurrence by an associative scan; 'auto' is the fastest that fits. A subclass with
            steps of its own, or an LSTM with other functions or another dtype, fits 'scan' alone.

    Returns:
        The outputs [batch, time, hidden], each at the step of its input, and the final carry.

    Raises:
        UserError: the implementation does not fit the cell; an argument has another shape or type than
            above; lengths whose values are known are negative or exceed time; the carry differs from the
            cell's own in structure, shape or dtype; or a step changes one of these.
    """
    affine, inputs = choose_affine(implementation), check_inputs(cell, inputs)
    implementation = choose_implementation(cell, implementation)
    rows, time = inputs.shape[:2]
    lengths, mask = check_lengths(lengths, rows, time), check_mask(cell, mask, rows)
    if remat_steps is not None and remat_steps < 1:
        raise UserError(f"remat_steps = {remat_steps}: must be at least 1, or None")
    padding = None if lengths is None else jnp.arange(time, dtype=jnp.int32)[None, :] >= lengths[:, None]
    # Before anything is computed from padding: 0 · nan would reach the gradients through a later mask.
    inputs = where_rows(padding, 0, inputs)
    is_fused_lstm = implementation == "fused" and not is_linear(cell)
    mapped = inputs if input_map is None else jax.eval_shape(affine, input_map, inputs)
    one_step = jax.ShapeDtypeStruct(mapped.shape[:1] + mapped.shape[2:], mapped.dtype)
    carry = check_carry(cell, parameters, one_step, carry, mask)
    if input_map is not None and not is_fused_lstm:
        inputs = affine(input_map, inputs)

    def run(carry: Carry, steps: Steps) -> tuple[Carry, Any]:
        if is_fused_lstm:
            return fused_lstm.run(parameters, carry, steps, reverse, input_map, mask)
        if implementation == "scan" or not is_linear(cell):
            return scan_cell(cell, parameters, carry, steps, reverse, mask)
        return scan_linear(cell, parameters, carry, steps, reverse, implementation == "parallel")

    carry, outputs = scan_chunks(run, carry, (inputs, padding), reverse, remat_steps)
    return outputs, carry
