"""The interface of a network: two pure functions over parameters of Flax's own names and shapes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax


class Network(NamedTuple):
    """What is trained."""

    name: str
    """In a few words, for people."""
    init: Callable[[jax.Array, Mapping[str, jax.Array]], dict[str, Any]]
    """(key, hyper) -> parameters: {'params': {'input', 'recurrence_0', ..., 'output'}}, float32."""
    apply: Callable[..., tuple[jax.Array, Any]]
    """(parameters, inputs, lengths, carry, hyper, keys) -> (outputs, carry). `keys` [batch], one a row, draw
    what is random; None: nothing is."""


def scale_kernels(layers: dict[str, Any], hyper: Mapping[str, jax.Array]) -> dict[str, Any]:
    """Multiplies every kernel by `hyper['init_scale']`, where it is there; biases stay as they are."""
    if "init_scale" not in hyper:
        return layers

    def scale(path: tuple[Any, ...], value: jax.Array) -> jax.Array:
        return value if path[-1].key == "bias" else value * hyper["init_scale"]

    return jax.tree_util.tree_map_with_path(scale, layers)
