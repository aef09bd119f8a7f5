"""The network that answers at every step: a language model, and anything else that labels each step."""

from collections.abc import Mapping
from typing import Any

import jax

from rnn_jax.models import initializers, layers
from rnn_jax.models.layers import Layout
from rnn_jax.models.linear import affine
from rnn_jax.models.network import Hyper, Network, dense, scale_matrices
from rnn_jax.models.over_time import Carry


def build(
    spec: Mapping[str, Any],
    layout: Layout,
    *,
    input_layer: int | None,
    pool: str | None,
    dense_init: str,
) -> Network:
    """Builds tokens [batch, time] -> embedding -> recurrences -> linear layer -> [batch, time, outputs].

    Args:
        spec: the task's: `vocabulary`, `output_size`.
        layout: the recurrences; as many numbers as they read stand for a token.
        input_layer: of other networks: an embedding is a linear layer.
        pool: of other networks.
        dense_init: how the embedding and the kernel of the linear layer are drawn.
    """
    del input_layer, pool
    draw = initializers.INITIALIZERS[dense_init]

    def init(key: jax.Array, hyper: Hyper) -> dict[str, Any]:
        embedding_key, recurrent_key, output_key = jax.random.split(key, 3)
        drawn: dict[str, Any] = layers.init(layout, recurrent_key, hyper)
        drawn["embedding"] = {"embedding": draw(embedding_key, (spec["vocabulary"], layout.input_size))}
        drawn["output"] = dense(draw, output_key, layout.output_size, spec["output_size"], hyper)
        return {"params": scale_matrices(drawn, hyper)}

    def apply(
        parameters: dict[str, Any],
        tokens: jax.Array,
        lengths: jax.Array | None,
        carry: dict[str, Carry] | None,
        hyper: Hyper,
        keys: jax.Array | None,
    ) -> tuple[jax.Array, dict[str, Carry]]:
        drawn = parameters["params"]
        inputs = drawn["embedding"]["embedding"][tokens]
        found = layers.apply(
            layout, drawn, inputs, carry, lengths=lengths, input_map=None, hyper=hyper, keys=keys
        )
        return affine(drawn["output"], found.outputs), found.carry

    return Network(layout.name, init, apply)
