"""A cell over time."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

Carry = Any
"""A cell's state: any pytree of arrays [batch, ...]."""

Implementation = Literal["auto", "scan"]


def unroll(
    cell: nn.RNNCellBase,
    parameters: dict[str, Any],
    inputs: jax.Array,
    carry: Carry = None,
    *,
    lengths: jax.Array | None = None,
    reverse: bool = False,
    input_map: dict[str, jax.Array] | None = None,
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
        implementation: 'scan' is `nn.scan` over the cell; 'auto' picks the fastest that fits.

    Returns:
        The outputs [batch, time, hidden], each where its input was, and the final carry.
    """
    del implementation  # 'scan' is the only one so far, and so what 'auto' picks
    padding = None if lengths is None else jnp.arange(inputs.shape[1])[None, :] >= lengths[:, None]
    if padding is not None:
        # Before anything is computed from them: 0 · nan would reach the gradients through a later mask.
        inputs = jnp.where(padding[:, :, None], 0, inputs)
    if input_map is not None:
        inputs = affine(input_map, inputs)
    if carry is None:
        # A cell's own initial carry draws no numbers; the key is a formality of Flax's interface.
        carry = cell.initialize_carry(jax.random.key(0), (inputs.shape[0], inputs.shape[2]))

    over_time = nn.scan(
        _step,
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=1,
        out_axes=1,
        reverse=reverse,
    )
    steps = (inputs,) if padding is None else (inputs, padding)
    carry, outputs = nn.apply(over_time, cell)({"params": parameters}, carry, steps)
    return outputs, carry


def affine(layer: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
    """A linear layer, `kernel` [features, outputs] and `bias` [outputs], over the last axis of its inputs."""
    bias = jnp.expand_dims(layer["bias"], range(inputs.ndim - 1))
    return inputs @ layer["kernel"] + bias


def _step(cell: nn.RNNCellBase, carry: Carry, step: tuple[jax.Array, ...]) -> tuple[Carry, jax.Array]:
    """One step of `nn.scan`; rows that are padding at this step keep their carry."""
    stepped, output = cell(carry, step[0])
    if len(step) == 1:
        return stepped, output
    padding = step[1]

    def unless_padding(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(padding.reshape(padding.shape + (1,) * (new.ndim - 1)), old, new)

    return jax.tree.map(unless_padding, stepped, carry), unless_padding(output, jnp.zeros_like(output))
