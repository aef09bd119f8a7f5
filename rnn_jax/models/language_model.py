"""The network that answers at every step: a language model, and anything else that labels each step."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.models import initializers, layers
from rnn_jax.models.layers import Layout, drop, fold_in
from rnn_jax.models.linear import affine
from rnn_jax.models.network import Hyper, Keys, Network, dense, scale_matrices
from rnn_jax.models.over_time import Carry
from rnn_jax.runtime.errors import UserError

SMALL_VOCABULARY = 256
"""Up to so many tokens, a row of the embedding is a product with a one-hot row: see `embed`."""

# Which of a row's keys draws what; the layers take those from 0 on.
INPUTS, OUTPUTS, TOKENS = 1_000, 1_001, 1_002


def build(
    spec: Mapping[str, Any],
    layout: Layout,
    *,
    input_layer: int | None,
    pool: str | None,
    dense_init: str,
    tied_embedding: bool | None,
) -> Network:
    """Builds tokens [batch, time] -> embedding -> recurrences -> linear layer -> [batch, time, outputs].

    Args:
        spec: the task's: `vocabulary`, `output_size`.
        layout: the recurrences; as many numbers as they read stand for a token.
        input_layer: of other networks: an embedding is a linear layer.
        pool: of other networks.
        dense_init: how the embedding and the kernel of the linear layer are drawn.
        tied_embedding: the kernel of the last layer is the embedding, transposed, and no parameter of its
            own (Press and Wolf 2017, arXiv 1608.05859).

    Raises:
        UserError: the embedding is to be tied, and its size is not that of the last layer's inputs.
    """
    del input_layer, pool
    draw = initializers.INITIALIZERS[dense_init]
    if tied_embedding and layout.input_size != layout.output_size:
        raise UserError(
            f"model.embedding_size = {layout.input_size}: where model.tied_embedding is True, it must be "
            f"what the last layer reads, {layout.output_size}, or None"
        )

    def init(key: jax.Array, hyper: Hyper) -> dict[str, Any]:
        embedding_key, recurrent_key, output_key = jax.random.split(key, 3)
        drawn: dict[str, Any] = layers.init(layout, recurrent_key, hyper)
        embedding = draw(embedding_key, (spec["vocabulary"], layout.input_size))
        drawn["embedding"] = {"embedding": embedding * hyper.get("embedding_scale", 1.0)}
        drawn["output"] = dense(draw, output_key, layout.output_size, spec["output_size"], hyper)
        if tied_embedding:
            del drawn["output"]["kernel"]
        return {"params": scale_matrices(drawn, hyper)}

    def apply(
        parameters: dict[str, Any],
        tokens: jax.Array,
        lengths: jax.Array | None,
        carry: dict[str, Carry] | None,
        hyper: Hyper,
        keys: Keys | None,
    ) -> tuple[jax.Array, dict[str, Carry]]:
        drawn = parameters["params"]
        rows = None if keys is None else keys.rows
        inputs, input_map = embed(drawn["embedding"]["embedding"], tokens, rows, hyper)
        if "input_dropout" in hyper:
            inputs = _drop_features(inputs, rows, INPUTS, hyper["input_dropout"], layout)
        found = layers.apply(
            layout, drawn, inputs, carry, lengths=lengths, input_map=input_map, hyper=hyper, keys=keys
        )
        outputs = _drop_features(found.outputs, rows, OUTPUTS, hyper.get("output_dropout"), layout)
        kernel = drawn["embedding"]["embedding"].T if tied_embedding else drawn["output"]["kernel"]
        return affine({"kernel": kernel, "bias": drawn["output"]["bias"]}, outputs), found.carry

    def initial_carry(rows: int) -> dict[str, Carry]:
        return layers.initial_carry(layout, rows)

    return Network(layout.name, init, apply, initial_carry)


def embed(
    embedding: jax.Array, tokens: jax.Array, keys: jax.Array | None, hyper: Hyper
) -> tuple[jax.Array, dict[str, jax.Array] | None]:
    """What the recurrences read for tokens [batch, time], and the linear layer before them, if any.

    Of a small vocabulary one-hot rows [batch, time, vocabulary] and the embedding as a linear layer: the LSTM
    multiplies it into its own input weights, once a step, and its gradient is a product too. That cannot be
    done where features of the embedding are to be dropped, nor where the vocabulary is larger than a product:
    there it is looked up, [batch, time, features].
    """
    kept = keep_tokens(tokens, keys, hyper.get("embedding_dropout"))
    if len(embedding) > SMALL_VOCABULARY or "input_dropout" in hyper:
        inputs = embedding[tokens]
        return (inputs if kept is None else inputs * kept[:, :, None]), None
    inputs = jax.nn.one_hot(tokens, len(embedding), dtype=embedding.dtype)
    layer = {"kernel": embedding, "bias": jnp.zeros(embedding.shape[1], embedding.dtype)}
    return (inputs if kept is None else inputs * kept[:, :, None]), layer


def keep_tokens(tokens: jax.Array, keys: jax.Array | None, rate: jax.Array | None) -> jax.Array | None:
    """What the embeddings of tokens [batch, time] are multiplied with: 0, or 1 / (1 - rate); None: nothing.

    A token is dropped wherever it stands in its row (Gal and Ghahramani 2016, section 4.2), since what is
    drawn depends on the row's key and the token alone.
    """
    if keys is None or rate is None:
        return None

    def keep(key: jax.Array, token: jax.Array) -> jax.Array:
        return jax.random.bernoulli(jax.random.fold_in(key, token), 1 - rate)

    row_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, TOKENS)
    drawn = jax.vmap(jax.vmap(keep, in_axes=(None, 0)))(row_keys, tokens)
    return jnp.where(drawn, 1 / (1 - rate), 0)


def _drop_features(
    values: jax.Array, keys: jax.Array | None, number: int, rate: jax.Array | None, layout: Layout
) -> jax.Array:
    return drop(values, fold_in(keys, number), rate, every_step=layout.variational_dropout)
