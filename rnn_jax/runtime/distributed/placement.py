"""Placement of arrays: shardings over a mesh, from the host to the devices and back."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnn_jax.runtime.devices import DATA

REPLICATED: Any = PartitionSpec()
"""The whole array on every device."""
SHARDED: Any = PartitionSpec(DATA)
"""The first axis, the rows of a batch, sharded over the devices."""


def shardings(mesh: Mesh, specs: Any) -> Any:
    """Return the shardings over a mesh for a tree of partition specs."""
    return jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)


def put(tree: Any, shardings: Any) -> Any:
    """Put arrays on devices by one sharding, or by a tree of shardings.

    Several processes each hold the whole, equal arrays, and put their own shards.
    """
    if all(sharding.is_fully_addressable for sharding in jax.tree.leaves(shardings)):
        return jax.device_put(tree, shardings)

    def put_branch(sharding: jax.sharding.Sharding, branch: Any) -> Any:
        return jax.tree.map(lambda leaf: _put_shards(leaf, sharding), branch)

    return jax.tree.map(put_branch, shardings, tree)


def _put_shards(leaf: Any, sharding: jax.sharding.Sharding) -> jax.Array:
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:  # on all devices already
        return jax.device_put(leaf, sharding)
    if isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put_shards(jax.random.key_data(leaf), sharding))
    array = np.asarray(leaf)
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def fetch(tree: Any) -> Any:
    """Wait until arrays are computed and return them as NumPy arrays.

    If the computation failed, for lack of memory for example, `jax.device_get` alone never returns on a CPU
    (JAX 0.10.2); `jax.block_until_ready` raises.
    """
    return jax.device_get(jax.block_until_ready(tree))
