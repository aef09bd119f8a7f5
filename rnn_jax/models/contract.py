"""The contract of `unroll`: what its arguments must be, checked before anything is computed from them."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.errors import FlaxError
from jax.core import Tracer

from rnn_jax.models.types import Array, ArrayLike, Carry, Lengths, LengthsLike, Parameters
from rnn_jax.runtime.errors import UserError


def check_inputs(cell: nn.RNNCellBase, inputs: ArrayLike) -> Array:
    """Return the inputs [batch, time, features] as an array of JAX; convolutional cells have more axes."""
    inputs, axes = jnp.asarray(inputs), 2 + cell.num_feature_axes
    if inputs.ndim != axes or not jnp.issubdtype(inputs.dtype, jnp.floating):
        raise UserError(
            f"inputs are {_describe(inputs)}: {type(cell).__name__} takes floating point with {axes} axes, "
            "[batch, time, features]"
        )
    return inputs


def check_lengths(lengths: LengthsLike, rows: int, time: int) -> Lengths:
    """Return the lengths as int32 [batch]. The values of a traced array are unknown, and not checked."""
    if lengths is None:
        return None
    found = lengths if isinstance(lengths, Tracer) else np.asarray(lengths)
    if found.shape != (rows,) or not (jnp.issubdtype(found.dtype, jnp.integer) or found.size == 0):
        raise UserError(f"lengths are {_describe(found)}: must be integers [{rows}], one for each row")
    if isinstance(found, np.ndarray) and rows and (found.min() < 0 or found.max() > time):
        raise UserError(
            f"lengths from {found.min()} to {found.max()}: must be from 0 to {time}, the number of steps"
        )
    # The number of a step may be too large for the lengths' own type.
    return jnp.asarray(lengths).astype(jnp.int32)


def check_mask(cell: nn.RNNCellBase, mask: ArrayLike | None, rows: int) -> Array | None:
    """Return the mask [batch, hidden] as an array of JAX."""
    if mask is None:
        return None
    if len(inspect.signature(type(cell).__call__).parameters) < 4:  # self, carry, inputs, mask
        raise UserError(f"mask: the cell {type(cell).__name__} takes none")
    mask = jnp.asarray(mask)
    if mask.shape != (rows, cell.features):
        raise UserError(f"mask is {_describe(mask)}: must be [batch, hidden], [{rows}, {cell.features}]")
    return mask


def check_carry(
    cell: nn.RNNCellBase, parameters: Parameters, inputs: Any, carry: Carry, mask: Array | None
) -> Carry:
    """Return the initial carry of a cell, for None its own, in the precision that its steps compute in.

    `inputs` is an array [batch, features], or its shape and dtype: those of one step.
    """

    def step(carry: Carry, inputs: Array) -> Any:
        arguments = (carry, inputs) if mask is None else (carry, inputs, mask)
        return cell.apply({"params": parameters}, *arguments)

    # Flax's interface asks for a key. A cell whose initial carry is zeros does not use it.
    own = _cast(cell.initialize_carry(jax.random.key(0), inputs.shape), inputs)
    try:
        after, _ = jax.eval_shape(step, own, inputs)
        if jax.tree.structure(after) == jax.tree.structure(own):
            own = jax.tree.map(_cast, own, after)  # other parameters may be of a higher precision
        after, outputs = jax.eval_shape(step, own, inputs)
    except (FlaxError, jax.dtypes.TypePromotionError) as error:
        raise UserError(f"{type(cell).__name__}: {str(error).splitlines()[0]}") from error
    name, expected = type(cell).__name__, _describe(own)
    if _flat(own) != _flat(after):
        raise UserError(
            f"{name}: a step must return a carry like its own, {expected}, not {_describe(after)}"
        )
    if any(leaf.shape[:1] != inputs.shape[:1] for leaf in jax.tree.leaves((after, outputs))):
        raise UserError(f"{name}: carry and outputs must be [batch, ...], not {_describe((after, outputs))}")
    if carry is not None and _flat(carry) != _flat(own):
        raise UserError(f"carry is {_describe(carry)}: {name} takes {expected}")
    return own if carry is None else carry


def _cast(tree: Any, like: Any) -> Any:
    """Cast the real and complex arrays of a tree to the precision of `like`; leave integers as they are."""

    def cast(part: Any) -> Any:
        if jnp.iscomplexobj(part):
            wide = like.dtype in (jnp.float64, jnp.complex128)
            return part.astype(jnp.complex128 if wide else jnp.complex64)
        return part.astype(like.dtype) if jnp.issubdtype(part.dtype, jnp.floating) else part

    return jax.tree.map(cast, tree)


def _describe(tree: Any) -> Any:
    """Return a tree with the dtype and shape of each array, for a message."""
    return jax.tree.map(lambda part: f"{getattr(part, 'dtype', type(part))}{list(np.shape(part))}", tree)


def _flat(tree: Any) -> Any:
    return jax.tree.flatten(_describe(tree))
