"""The network that answers once for a whole sequence: with a class's logits, or with numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.models import embedding, initializers, stacks
from rnn_jax.models.embedding import OUTPUTS
from rnn_jax.models.linear import affine
from rnn_jax.models.network import Hyper, Keys, Network, dense, scale_matrices
from rnn_jax.models.stacks import Layout, Unrolled, drop, fold_in
from rnn_jax.models.unrolling import Carry


def pool_last(hidden: jax.Array, last: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Where each direction ends: the last real step, backwards the first; of an empty row its first carry."""
    del hidden, lengths
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
"""(hidden [batch, time, features], last [batch, features], lengths [batch]) -> [batch, features]."""


def build(
    spec: Mapping[str, Any],
    layout: Layout,
    *,
    input_projection_size: int | None,
    pool: str | None,
    dense_init: str,
    tied_embedding: bool | None,
) -> Network:
    """Builds inputs -> linear layer, if any -> recurrences -> pool -> linear layer -> [batch, outputs].

    Where the inputs are tokens [batch, time], an embedding stands in the place of the first linear layer.

    Args:
        spec: the task's: `input_size`, or `vocabulary` where it reads tokens, and `output_size`.
        layout: the recurrences.
        input_projection_size: units of the linear layer before them; None: there is none.
        pool: which hidden states the answer is read from: a key of `POOLS`.
        dense_init: how the kernels of the linear layers are drawn.
        tied_embedding: of other networks.
    """
    del tied_embedding
    assert pool is not None
    draw, read, reads_tokens = initializers.INITIALIZERS[dense_init], POOLS[pool], "vocabulary" in spec

    def init(key: jax.Array, hyper: Hyper) -> dict[str, Any]:
        input_key, recurrent_key, output_key = jax.random.split(key, 3)
        drawn: dict[str, Any] = stacks.init(layout, recurrent_key, hyper)
        drawn["output"] = dense(draw, output_key, layout.output_size, spec["output_size"], hyper)
        if reads_tokens:
            size = layout.input_size
            drawn["embedding"] = embedding.init(draw, input_key, spec["vocabulary"], size, hyper)
        elif input_projection_size:
            drawn["input"] = dense(draw, input_key, spec["input_size"], input_projection_size, hyper)
        return {"params": scale_matrices(drawn, hyper)}

    def unrolled(
        drawn: stacks.Parameters,
        inputs: jax.Array,
        lengths: jax.Array | None,
        carry: dict[str, Carry] | None,
        hyper: Hyper,
        keys: Keys | None,
    ) -> Unrolled:
        input_map = drawn.get("input")
        if reads_tokens:
            rows = None if keys is None else keys.rows
            inputs, input_map = embedding.read(drawn["embedding"], inputs, rows, hyper, layout)
        return stacks.apply(
            layout, drawn, inputs, carry, lengths=lengths, input_map=input_map, hyper=hyper, keys=keys
        )

    def apply(
        parameters: dict[str, Any],
        inputs: jax.Array,
        lengths: jax.Array | None,
        carry: dict[str, Carry] | None,
        hyper: Hyper,
        keys: Keys | None,
    ) -> tuple[jax.Array, dict[str, Carry]]:
        drawn, rows = parameters["params"], None if keys is None else keys.rows
        found = unrolled(drawn, inputs, lengths, carry, hyper, keys)
        pooled = read(found.outputs, found.last, lengths)
        pooled = drop(pooled, fold_in(rows, OUTPUTS), hyper.get("output_dropout"))
        return affine(drawn["output"], pooled), found.carry

    def states(parameters: dict[str, Any], inputs: jax.Array, lengths: jax.Array | None) -> jax.Array:
        return unrolled(parameters["params"], inputs, lengths, None, {}, None).outputs

    def initial_carry(rows: int) -> dict[str, Carry]:
        return stacks.initial_carry(layout, rows)

    return Network(layout.name, init, apply, states, initial_carry)
