"""Random cells, and the plainest way to run them."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from rnn_jax.catalogue import CELLS
from rnn_jax.models.cells import table

BATCH, TIME, FEATURES, HIDDEN = 4, 5, 3, 6
NAMES = tuple(CELLS)
LINEAR = ("mingru", "minlstm", "lru")


class Drawn(NamedTuple):
    """A cell and all that it needs, random, biases included."""

    cell: nn.RNNCellBase
    parameters: Any
    inputs: jax.Array
    carry: Any


def build_cell(name: str, features: int = FEATURES) -> nn.RNNCellBase:
    return table.build(name, features, HIDDEN, kernel_init="lecun_normal", recurrent_init="orthogonal")


def normal(rng: np.random.Generator, leaf: Any, dtype: Any) -> jax.Array:
    """Random numbers in a leaf's shape; complex where it is."""
    drawn = rng.normal(size=leaf.shape)
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        kind = jnp.complex128 if dtype == jnp.float64 else jnp.complex64
        return jnp.asarray(drawn + 1j * rng.normal(size=leaf.shape), kind)
    return jnp.asarray(drawn, dtype)


def draw(name: str, seed: int, dtype: Any = jnp.float32) -> Drawn:
    """The cell called `name`, with random parameters, inputs [batch, time, features] and carry."""
    cell, rng = build_cell(name), np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: table.init(name, cell, jax.random.key(0), FEATURES, {}))
    carry = jax.eval_shape(lambda: cell.initialize_carry(jax.random.key(0), (BATCH, FEATURES)))
    parameters, carry = jax.tree.map(lambda leaf: normal(rng, leaf, dtype), (shapes, carry))
    return Drawn(cell, parameters, jnp.asarray(rng.normal(size=(BATCH, TIME, FEATURES)), dtype), carry)


@functools.partial(jax.jit, static_argnums=0)  # compiled once a cell, whatever was drawn
def one_step(cell: nn.RNNCellBase, parameters: Any, carry: Any, inputs: jax.Array) -> Any:
    return cell.apply({"params": parameters}, carry, inputs)


def by_hand(drawn: Drawn, lengths: Any, reverse: bool) -> Any:
    """One row after another, one step after another, over the real steps alone: (outputs, carry)."""
    outputs, carries = np.zeros((BATCH, TIME, HIDDEN)), []
    for row in range(BATCH):
        state = jax.tree.map(lambda part, row=row: part[row : row + 1], drawn.carry)
        steps = range(lengths[row])
        for time in reversed(steps) if reverse else steps:
            state, output = one_step(drawn.cell, drawn.parameters, state, drawn.inputs[row : row + 1, time])
            outputs[row, time] = output[0]
        carries.append(state)
    return outputs, jax.tree.map(lambda *rows: np.concatenate(rows), *carries)
