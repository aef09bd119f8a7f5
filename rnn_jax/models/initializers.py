"""What kernels are drawn from at first, by name. Every kernel is [inputs, outputs]."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

Initializer = Callable[..., Any]


def joint_glorot_uniform(input_size: int, hidden_size: int, gates: int) -> Initializer:
    """Glorot-uniform over the one kernel [input + hidden, gates · hidden] in which TensorFlow 1 kept a cell.

    Glorot and Bengio 2010, equation 16: U(-r, r), r = sqrt(6 / (inputs + outputs)); the kernels of single
    gates are blocks of the joint one, so r counts all of its inputs and outputs.
    """
    limit = (6 / (input_size + hidden_size + gates * hidden_size)) ** 0.5

    def draw(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return draw


def _unit_uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, -1, 1)


INITIALIZERS: dict[str, Initializer] = {
    "lecun_normal": nn.initializers.lecun_normal(),
    "glorot_uniform": nn.initializers.glorot_uniform(),
    "orthogonal": nn.initializers.orthogonal(),
    "normal": nn.initializers.normal(1.0),
    "uniform": _unit_uniform,
}
"""Those that need the kernel's shape alone. 'normal' is N(0, 1), 'uniform' U(-1, 1): see `init_scale`."""


def choose(name: str, input_size: int, hidden_size: int, gates: int) -> Initializer:
    """The initializer `name` for the kernels of a cell of that size."""
    if name == "joint_glorot_uniform":
        return joint_glorot_uniform(input_size, hidden_size, gates)
    return INITIALIZERS[name]
