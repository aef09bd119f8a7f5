"""Initializers by name. A kernel is [inputs, outputs]."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.types import Array, Hyper, Initializer, Parameters

INITIALIZERS: dict[str, Initializer] = {
    "lecun_normal": nn.initializers.lecun_normal(),
    "glorot_uniform": nn.initializers.glorot_uniform(),
    "orthogonal": nn.initializers.orthogonal(),
    "normal": nn.initializers.normal(1.0),
    "uniform": partial(jax.random.uniform, minval=-1, maxval=1),
}
"""Those that need the kernel's shape alone. 'normal' is N(0, 1), 'uniform' U(-1, 1): see `init_scale`."""


def choose_initializer(name: str, input_size: int, hidden_size: int, gates: int) -> Initializer:
    """Return the initializer `name` for the kernels of a cell of these sizes.

    'joint_glorot_uniform' is Glorot-uniform over the joint kernel [input + hidden, gates · hidden] of a cell,
    as in TensorFlow 1. Glorot and Bengio 2010, equation 16: U(-r, r), r = sqrt(6 / (inputs + outputs)). The
    kernels of single gates are blocks of the joint kernel, so r counts all of its inputs and outputs.
    """
    if name == "joint_glorot_uniform":
        limit = (6 / (input_size + hidden_size + gates * hidden_size)) ** 0.5
        return partial(jax.random.uniform, minval=-limit, maxval=limit)
    return INITIALIZERS[name]


def init_dense(init: Initializer, key: Array, inputs: int, outputs: int, hyper: Hyper) -> Parameters:
    """Initialize a linear layer: `kernel` [inputs, outputs] and `bias` [outputs], all `dense_bias` or 0."""
    bias = jnp.full((outputs,), hyper.get("dense_bias", 0.0), jnp.float32)
    return {"kernel": init(key, (inputs, outputs), jnp.float32), "bias": bias}
