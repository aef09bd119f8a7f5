"""The interface of a network: two pure functions over parameters of Flax's own names and shapes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.models.initializers import Initializer

Hyper = Mapping[str, jax.Array]
"""Numeric hyperparameters by their config key."""


class Keys(NamedTuple):
    """What a training step draws from: dropout and the like."""

    rows: jax.Array
    """[batch], a key a row: the same on any number of devices."""
    batch: jax.Array
    """One key, the same for every row: what is drawn for the parameters themselves."""


class Network(NamedTuple):
    """What is trained."""

    name: str
    """In a few words, for people."""
    init: Callable[[jax.Array, Hyper], dict[str, Any]]
    """(key, hyper) -> parameters: {'params': {'input', 'recurrence_0', ..., 'output'}}, float32."""
    apply: Callable[..., tuple[jax.Array, Any]]
    """(parameters, inputs, lengths, carry, hyper, keys) -> (outputs, carry). `keys` (`Keys`) draw what is
    random; None: nothing is."""
    states: Callable[[dict[str, Any], jax.Array, jax.Array | None], jax.Array]
    """(parameters, inputs, lengths) -> what the last recurrence says at every step, [batch, time, features]:
    zero where there is padding, and with nothing dropped."""
    initial_carry: Callable[[int], Any]
    """rows -> the carry that the network begins with."""


def dense(draw: Initializer, key: jax.Array, inputs: int, outputs: int, hyper: Hyper) -> dict[str, jax.Array]:
    """Draws a linear layer: `kernel` [inputs, outputs]; `bias` [outputs] is `hyper['dense_bias']`, or 0."""
    bias = jnp.full((outputs,), hyper.get("dense_bias", 0.0), jnp.float32)
    return {"kernel": draw(key, (inputs, outputs), jnp.float32), "bias": bias}


def scale_matrices(layers: dict[str, Any], hyper: Hyper) -> dict[str, Any]:
    """Multiplies every matrix by `hyper['init_scale']`, where it is there; biases and gains stay."""
    if "init_scale" not in hyper:
        return layers
    return jax.tree.map(lambda value: value * hyper["init_scale"] if value.ndim > 1 else value, layers)
