"""The LSTM over time with its own backward pass: equal to `nn.scan` over `nn.LSTMCell`, and faster.

With the gates' kernels side by side, W_x [features, 4·hidden], W_h [hidden, 4·hidden] and b [4·hidden] in the
order i, f, g, o, a step is

    z = [x, 1, h] [W_x; b; W_h]      i, f, o = σ(z_i), σ(z_f), σ(z_o)      g = tanh(z_g)
    c' = f ∘ c + i ∘ g               h' = o ∘ tanh(c')

and its transpose, where δ is the gradient of the loss and δc', δh' are those from later steps and the output,

    δc' += δh' ∘ o ∘ (1 - tanh²(c'))
    δz = [δc' ∘ g ∘ i(1 - i), δc' ∘ c ∘ f(1 - f), δc' ∘ i ∘ (1 - g²), δh' ∘ tanh(c') ∘ o(1 - o)]
    δc = δc' ∘ f      δh = δz W_hᵀ      δx = δz W_xᵀ      δ[W_x; b; W_h] += [x, 1, h]ᵀ δz

Three things make it fast on a CPU (measured in experiments/speed). A linear layer before the LSTM is
multiplied into W_x, since nothing non-linear separates them. The gates, c and h are stored once each for the
backward pass. And the number of rows decides where the product with the input is computed:

- many rows: in the loop, as above, where the weights' gradient is summed too. No array
  [time, batch, 4·hidden] is ever written;
- few rows: before the loop, in one product [x, 1] [W_x; b] for all steps; the weights' gradients are one
  product each after the loop. The loop then reads only W_h, which is most of its work.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models import linear
from rnn_jax.models.cells.lstm import LSTM
from rnn_jax.models.scans import where_rows
from rnn_jax.models.types import Array, InputMap, Padding, Parameters

GATES = "ifgo"
ROWS_IN_LOOP = 48
"""The number of rows from which the product with the input is in the loop: slower at 32, faster at 64."""

Carry = tuple[Array, Array]


def differences(cell: nn.RNNCellBase) -> tuple[str, ...] | None:
    """Return the fields of an LSTM whose values `run` does not compute with; None: another kind of cell.

    A subclass is another kind: its step may be another one.
    """
    if type(cell) is not LSTM:
        return None
    here = {"gate_fn": nn.sigmoid, "activation_fn": nn.tanh, "dtype": None}
    return tuple(name for name, value in here.items() if getattr(cell, name) is not value)


def run(
    parameters: Parameters,
    carry: Carry,
    steps: tuple[Array, Padding],
    reverse: bool,
    input_map: InputMap,
    mask: Array | None,
) -> tuple[Carry, Array]:
    """Run over inputs [batch, time, features] and their padding; return the carry and outputs as `unroll`."""
    inputs, padding = steps
    parameters, inputs, input_map, mask = jax.tree.map(
        lambda part: part.astype(carry[1].dtype), (parameters, inputs, input_map, mask)
    )
    of_input = jnp.concatenate([parameters[f"i{gate}"]["kernel"] for gate in GATES], axis=1)
    bias = jnp.concatenate([parameters[f"h{gate}"]["bias"] for gate in GATES])
    state_weights = jnp.concatenate([parameters[f"h{gate}"]["kernel"] for gate in GATES], axis=1)
    input_weights = jnp.concatenate([of_input, bias[None]])
    if input_map is not None:
        inputs, input_weights = _fold(input_map, inputs, input_weights)
    inputs = jnp.pad(inputs, ((0, 0), (0, 0), (0, 1)), constant_values=1).swapaxes(0, 1)
    if inputs.shape[1] >= ROWS_IN_LOOP:
        weights, added = jnp.concatenate([input_weights, state_weights]), None
    else:
        weights, added = state_weights, linear.product(input_weights, inputs)
        inputs = inputs[:, :, :0]
    is_padding = None if padding is None else padding.T[:, :, None]
    result: Any = _core(reverse, weights, Steps(inputs, added, is_padding), carry, mask)
    after, outputs = result
    return after, outputs.swapaxes(0, 1)


def _fold(layer: dict[str, Array], inputs: Array, weights: Array) -> tuple[Array, Array]:
    """Multiply a linear layer before the LSTM into [W_x; b] or into the inputs, whichever costs less."""
    kernel, bias = layer["kernel"], layer["bias"]
    features, mapped = kernel.shape
    if features * weights.shape[1] > mapped * (features + weights.shape[1]):
        return inputs @ kernel + bias[None, None], weights
    of_input = weights[:-1]
    return inputs, jnp.concatenate([kernel @ of_input, bias[None] @ of_input + weights[-1:]])


class Steps(NamedTuple):
    """The inputs of the loop's steps."""

    inputs: Array
    """[time, batch, inputs], multiplied in the loop together with h; zero features if `added` is given."""
    added: Array | None
    """[time, batch, 4·hidden], the product with the input, if it was computed before the loop."""
    is_padding: Array | None
    """[time, batch, 1], bool."""


def _forward(
    reverse: bool, weights: Array, steps: Steps, carry: Carry, mask: Array | None
) -> tuple[tuple[Carry, Array], Any]:
    """The carry and the outputs [time, batch, hidden], and the residuals of the backward pass."""

    def step(carry: Carry, now: Steps) -> tuple[Carry, Any]:
        c, h = carry
        joined = jnp.concatenate([now.inputs, h if mask is None else h * mask], axis=1)
        z = joined @ weights if now.added is None else now.added + joined @ weights
        i, f, g, o = jnp.split(z, 4, axis=1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        new_c = f * c + i * g
        new_h = o * jnp.tanh(new_c)
        carry = where_rows(now.is_padding, c, new_c), where_rows(now.is_padding, h, new_h)
        return carry, (
            where_rows(now.is_padding, 0, new_h),
            (i, f, g, o, c, None if mask is None else h, joined),
        )

    after, (outputs, stored) = jax.lax.scan(step, carry, steps, reverse=reverse)
    return (after, outputs), (weights, steps, mask, stored, after[0])


def _backward(reverse: bool, residuals: Any, gradients: tuple[Carry, Array]) -> Any:
    """The gradients of `_core`'s arguments, from those of its results."""
    weights, steps, mask, stored, last_c = residuals
    (d_c, d_h), d_outputs = gradients
    inputs = steps.inputs.shape[2]
    of_input, of_state = weights[:inputs].T, weights[inputs:].T
    in_loop = steps.added is None

    def step(carry: Any, now: Any) -> tuple[Any, Any]:
        d_c, d_h, c_after, d_weights, d_mask = carry
        d_output, is_padding, (i, f, g, o, c, h, joined) = now
        t = jnp.tanh(c_after)
        d_new_h = d_h + d_output
        d_new_c = d_c + d_new_h * o * (1 - t * t)
        gates = (
            d_new_c * g * i * (1 - i),
            d_new_c * c * f * (1 - f),
            d_new_c * i * (1 - g * g),
            d_new_h * t * o * (1 - o),
        )
        d_z = where_rows(is_padding, 0, jnp.concatenate(gates, axis=1))
        before_h = d_z @ of_state
        if mask is not None:
            d_mask, before_h = d_mask + before_h * h, before_h * mask
        before_h = where_rows(is_padding, d_h, before_h)
        before_c = where_rows(is_padding, d_c, d_new_c * f)
        if in_loop:
            return (before_c, before_h, c, d_weights + joined.T @ d_z, d_mask), d_z @ of_input
        return (before_c, before_h, c, d_weights, d_mask), d_z

    zeros = jax.tree.map(jnp.zeros_like, (weights, mask))
    start, now = (d_c, d_h, last_c, *zeros), (d_outputs, steps.is_padding, stored)
    (d_c, d_h, _, d_weights, d_mask), of_steps = jax.lax.scan(step, start, now, reverse=not reverse)
    if in_loop:
        d_steps = Steps(of_steps, None, None)
    else:
        d_weights = linear.kernel_gradient(stored[-1], of_steps)
        d_steps = Steps(jnp.zeros_like(steps.inputs), of_steps, None)
    return d_weights, d_steps, (d_c, d_h), d_mask


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _core(
    reverse: bool, weights: Array, steps: Steps, carry: Carry, mask: Array | None
) -> tuple[Carry, Array]:
    return _forward(reverse, weights, steps, carry, mask)[0]


_core.defvjp(_forward, _backward)
