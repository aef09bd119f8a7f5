"""Arrays between the host and the devices: how they get there, and back."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def shardings(mesh: Mesh, specs: Any) -> Any:
    """The shardings over a mesh for a tree of partition specs."""
    return jax.tree.map(
        lambda spec: NamedSharding(mesh, spec), specs, is_leaf=lambda leaf: isinstance(leaf, PartitionSpec)
    )


def put(tree: Any, shardings: Any) -> Any:
    """Puts arrays where shardings say: one for all of them, or a tree of them.

    Several processes each have the whole arrays, equal ones, and put their own parts of them.
    """
    if all(place.is_fully_addressable for place in jax.tree.leaves(shardings)):
        return jax.device_put(tree, shardings)

    def put_branch(place: jax.sharding.Sharding, branch: Any) -> Any:
        return jax.tree.map(lambda leaf: _put_parts(leaf, place), branch)

    return jax.tree.map(put_branch, shardings, tree)


def _put_parts(leaf: Any, place: jax.sharding.Sharding) -> jax.Array:
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:  # it lies on all devices already
        return jax.device_put(leaf, place)
    if isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put_parts(jax.random.key_data(leaf), place))
    array = np.asarray(leaf)
    return jax.make_array_from_callback(array.shape, place, lambda part: array[part])


def fetch(tree: Any) -> Any:
    """What lies on devices, as NumPy arrays; waits until it is computed.

    Where the computation failed, for want of memory say, `jax.device_get` alone waits for ever on a CPU
    (JAX 0.10.2), and `jax.block_until_ready` raises.
    """
    return jax.device_get(jax.block_until_ready(tree))
