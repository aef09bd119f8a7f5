"""The network that names a class for a whole sequence."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.models import cells, initializers
from rnn_jax.models.network import Network, scale_kernels
from rnn_jax.models.recurrence import Carry, Implementation, affine, unroll


def pool_last(hidden: jax.Array, last: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """The last real step of each row; of an empty row: the initial state."""
    del hidden, lengths  # reading it from the carry spares the gradient of all the other steps
    return last


def pool_mean(hidden: jax.Array, last: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """The mean over the real steps of each row; of an empty row: zeros."""
    del last
    if lengths is None:
        return hidden.mean(axis=1)
    return hidden.sum(axis=1) / jnp.maximum(lengths, 1)[:, None].astype(hidden.dtype)


def pool_max(hidden: jax.Array, last: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """The largest value of each unit over the real steps of each row; of an empty row: zeros."""
    del last
    if lengths is None:
        return hidden.max(axis=1)
    # An empty row keeps its first step, which is zeros: the maximum of nothing would be -inf.
    real = jnp.arange(hidden.shape[1])[None, :] < jnp.maximum(lengths, 1)[:, None]
    return jnp.where(real[:, :, None], hidden, -jnp.inf).max(axis=1)


Pool = Callable[[jax.Array, jax.Array, jax.Array | None], jax.Array]
POOLS: dict[str, Pool] = {"last": pool_last, "mean": pool_mean, "max": pool_max}
"""(hidden [batch, time, hidden], last output [batch, hidden], lengths [batch]) -> [batch, hidden]."""


def build(
    spec: Mapping[str, Any],
    *,
    cell: str,
    implementation: Implementation,
    hidden_size: int,
    input_layer: int | None,
    pool: str,
    kernel_init: str,
    recurrent_init: str,
    dense_init: str,
) -> Network:
    """Builds inputs -> linear layer, if any -> recurrence -> pool -> linear layer -> [batch, classes]."""
    mapped_size = input_layer or spec["input_size"]
    module = cells.CELLS[cell].build(
        mapped_size, hidden_size, kernel_init=kernel_init, recurrent_init=recurrent_init
    )
    draw_kernel = initializers.INITIALIZERS[dense_init]

    def init(key: jax.Array, hyper: Mapping[str, jax.Array]) -> dict[str, Any]:
        input_key, cell_key, output_key = jax.random.split(key, 3)

        def dense(key: jax.Array, inputs: int, outputs: int) -> dict[str, jax.Array]:
            bias = jnp.full((outputs,), hyper.get("dense_bias", 0.0), jnp.float32)
            return {"kernel": draw_kernel(key, (inputs, outputs), jnp.float32), "bias": bias}

        layers: dict[str, Any] = {
            "recurrence_0": cells.init(module, cell_key, mapped_size, hyper),
            "output": dense(output_key, hidden_size, spec["output_size"]),
        }
        if input_layer:
            layers["input"] = dense(input_key, spec["input_size"], input_layer)
        return {"params": scale_kernels(layers, hyper)}

    def apply(
        parameters: dict[str, Any],
        inputs: jax.Array,
        lengths: jax.Array | None,
        carry: Carry,
        hyper: Mapping[str, jax.Array],
        keys: jax.Array | None,
    ) -> tuple[jax.Array, Carry]:
        del hyper, keys  # nothing here is random or scaled yet
        layers = parameters["params"]
        hidden, carry = unroll(
            module,
            layers["recurrence_0"],
            inputs,
            carry,
            lengths=lengths,
            input_map=layers.get("input"),
            implementation=implementation,
        )
        pooled = POOLS[pool](hidden, cells.CELLS[cell].output_of(carry), lengths)
        return affine(layers["output"], pooled), carry

    return Network(f"{cell.upper()} with {hidden_size} units", init, apply)
