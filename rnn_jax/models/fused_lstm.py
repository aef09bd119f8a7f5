"""The LSTM over time with a backward pass of its own: what `nn.scan` over `nn.LSTMCell` says, but faster.

With the gates' kernels side by side, W_x [features, 4·hidden], W_h [hidden, 4·hidden] and b [4·hidden] in the
order i, f, g, o, a step is

    z = [x, 1, h] [W_x; b; W_h]      i, f, o = σ(z_i), σ(z_f), σ(z_o)      g = tanh(z_g)
    c' = f ∘ c + i ∘ g               h' = o ∘ tanh(c')

and its transpose, from what reaches c' and h' (δ stands for the gradient of),

    δc' += δh' ∘ o ∘ (1 - tanh²(c'))
    δz = [δc' ∘ g ∘ i(1 - i), δc' ∘ c ∘ f(1 - f), δc' ∘ i ∘ (1 - g²), δh' ∘ tanh(c') ∘ o(1 - o)]
    δc = δc' ∘ f      δh = δz W_hᵀ      δx = δz W_xᵀ      δ[W_x; b; W_h] += [x, 1, h]ᵀ δz

Three things make it fast on a CPU (experiments/speed has the measurements). A linear layer before the LSTM is
multiplied into W_x, since nothing non-linear stands between them. What is kept for the backward pass is the
gates, c and h, and nothing twice. And where the product with the input stands depends on the number of rows:

- many rows: in the loop, as above, and the weights' gradient is summed up there. Nothing of the size
  [time, batch, 4·hidden] is ever written;
- few rows: before the loop for all steps at once, [x, 1] [W_x; b], and the weights' gradients after it, each
  one product; the loop then reads W_h alone, which is most of its work.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.models import linear

GATES = "ifgo"
ROWS_IN_LOOP = 48
"""From so many rows on, the input's product stands in the loop: at 32 it is slower there, at 64 faster."""

Carry = tuple[jax.Array, jax.Array]


def run(
    parameters: dict[str, Any],
    carry: Carry,
    inputs: jax.Array,
    padding: jax.Array | None,
    reverse: bool,
    input_map: dict[str, jax.Array] | None,
    mask: jax.Array | None,
) -> tuple[Carry, jax.Array]:
    """Runs over inputs [batch, time, features]; see `unroll` for the arguments, and for what is returned."""
    input_weights, state_weights = side_by_side(parameters)
    if input_map is not None:
        inputs, input_weights = _fold(input_map, inputs, input_weights)
    inputs = _with_ones(inputs).swapaxes(0, 1)
    if inputs.shape[1] >= ROWS_IN_LOOP:
        weights, added = jnp.concatenate([input_weights, state_weights]), None
    else:
        weights, added = state_weights, linear.product(input_weights, inputs)
        inputs = inputs[:, :, :0]
    is_padding = None if padding is None else padding.T[:, :, None]
    result: Any = _core(reverse, weights, Steps(inputs, added, is_padding), carry, mask)
    after, outputs = result
    return after, outputs.swapaxes(0, 1)


def side_by_side(parameters: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
    """[W_x; b] [features + 1, 4·hidden] and W_h [hidden, 4·hidden] of an `nn.LSTMCell`'s parameters."""
    of_input = jnp.concatenate([parameters[f"i{gate}"]["kernel"] for gate in GATES], axis=1)
    bias = jnp.concatenate([parameters[f"h{gate}"]["bias"] for gate in GATES])
    of_state = jnp.concatenate([parameters[f"h{gate}"]["kernel"] for gate in GATES], axis=1)
    return jnp.concatenate([of_input, bias[None]]), of_state


def _with_ones(inputs: jax.Array) -> jax.Array:
    return jnp.pad(inputs, ((0, 0), (0, 0), (0, 1)), constant_values=1)


def _fold(layer: dict[str, jax.Array], inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The inputs and [W_x; b] with a linear layer between them multiplied into whichever is less work."""
    kernel, bias = layer["kernel"], layer["bias"]
    features, mapped = kernel.shape
    if features * weights.shape[1] > mapped * (features + weights.shape[1]):
        return inputs @ kernel + bias[None, None], weights
    of_input = weights[:-1]
    return inputs, jnp.concatenate([kernel @ of_input, bias[None] @ of_input + weights[-1:]])


class Steps(NamedTuple):
    """What differs from step to step, time first."""

    inputs: jax.Array
    """[time, batch, inputs], what the loop multiplies beside h; possibly no features at all."""
    added: jax.Array | None
    """[time, batch, 4·hidden], what is added to the product."""
    is_padding: jax.Array | None
    """[time, batch, 1], bool."""


def _forward(
    reverse: bool, weights: jax.Array, steps: Steps, carry: Carry, mask: jax.Array | None
) -> tuple[tuple[Carry, jax.Array], Any]:
    """The outputs [time, batch, hidden], and what the backward pass needs."""

    def step(carry: Carry, now: Steps) -> tuple[Carry, Any]:
        c, h = carry
        read = jnp.concatenate([now.inputs, h if mask is None else h * mask], axis=1)
        z = read @ weights if now.added is None else now.added + read @ weights
        i, f, g, o = jnp.split(z, 4, axis=1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        new_c = f * c + i * g
        new_h = output = o * jnp.tanh(new_c)
        if now.is_padding is not None:
            new_c, new_h = jnp.where(now.is_padding, c, new_c), jnp.where(now.is_padding, h, new_h)
            output = jnp.where(now.is_padding, 0, output)
        return (new_c, new_h), (output, (i, f, g, o, c, read))

    after, (outputs, kept) = jax.lax.scan(step, carry, steps, reverse=reverse)
    return (after, outputs), (weights, steps, mask, kept, after[0])


def _backward(reverse: bool, residuals: Any, gradients: tuple[Carry, jax.Array]) -> Any:
    """The gradients of `_core`'s arguments, from those of its results."""
    weights, steps, mask, kept, last_c = residuals
    (d_c, d_h), d_outputs = gradients
    inputs = steps.inputs.shape[2]
    of_input, of_state = weights[:inputs].T, weights[inputs:].T
    in_loop = steps.added is None

    def step(carry: Any, now: Any) -> tuple[Any, Any]:
        d_c, d_h, c_after, d_weights = carry
        d_output, is_padding, (i, f, g, o, c, read) = now
        t = jnp.tanh(c_after)
        of_h = d_h + d_output
        of_c = d_c + of_h * o * (1 - t * t)
        gates = (
            of_c * g * i * (1 - i),
            of_c * c * f * (1 - f),
            of_c * i * (1 - g * g),
            of_h * t * o * (1 - o),
        )
        d_z = jnp.concatenate(gates, axis=1)
        if is_padding is not None:
            d_z = jnp.where(is_padding, 0, d_z)
        before_h = d_z @ of_state
        if mask is not None:
            before_h = before_h * mask
        before_c = of_c * f
        if is_padding is not None:
            before_c, before_h = jnp.where(is_padding, d_c, before_c), jnp.where(is_padding, d_h, before_h)
        if in_loop:
            return (before_c, before_h, c, d_weights + read.T @ d_z), d_z @ of_input
        return (before_c, before_h, c, d_weights), d_z

    start = (d_c, d_h, last_c, jnp.zeros_like(weights))
    now = (d_outputs, steps.is_padding, kept)
    (d_c, d_h, _, d_weights), of_steps = jax.lax.scan(step, start, now, reverse=not reverse)
    if in_loop:
        d_steps = Steps(of_steps, None, None)
    else:
        read = kept[-1]
        d_weights = linear.kernel_gradient(read, of_steps)
        d_steps = Steps(jnp.zeros_like(steps.inputs), of_steps, None)
    return d_weights, d_steps, (d_c, d_h), None


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _core(
    reverse: bool, weights: jax.Array, steps: Steps, carry: Carry, mask: jax.Array | None
) -> tuple[Carry, jax.Array]:
    return _forward(reverse, weights, steps, carry, mask)[0]


_core.defvjp(_forward, _backward)
