"""Tokens as what a recurrence reads: an embedding, and what is dropped of it in training."""

import jax
import jax.numpy as jnp

from rnn_jax.models.initializers import Initializer
from rnn_jax.models.network import Hyper
from rnn_jax.models.stacks import Layout, drop, fold_in

SMALL_VOCABULARY = 256
"""Up to so many tokens, a row of the embedding is a product with a one-hot row: see `embed`."""

# Which of a row's keys draws what; the layers take those from 0 on.
INPUTS, OUTPUTS, TOKENS = 1_000, 1_001, 1_002


def init(draw: Initializer, key: jax.Array, vocabulary: int, size: int, hyper: Hyper) -> dict[str, jax.Array]:
    """Draws `embedding` [vocabulary, size], times `hyper['embedding_scale']` where it is there."""
    return {"embedding": draw(key, (vocabulary, size)) * hyper.get("embedding_scale", 1.0)}


def read(
    parameters: dict[str, jax.Array],
    tokens: jax.Array,
    keys: jax.Array | None,
    hyper: Hyper,
    layout: Layout,
) -> tuple[jax.Array, dict[str, jax.Array] | None]:
    """What the recurrences read for tokens [batch, time], and the linear layer before them, if any.

    Args:
        parameters: as `init` draws them.
        tokens: [batch, time].
        keys: [batch], which draw what is dropped; None: nothing is.
        hyper: `embedding_dropout`, the probability that a token is dropped, and `input_dropout`, that a
            feature of its embedding is; absent: none.
        layout: the recurrences.
    """
    inputs, input_map = embed(parameters["embedding"], tokens, keys, hyper)
    if "input_dropout" in hyper:
        rate, every_step = hyper["input_dropout"], layout.variational_dropout
        inputs = drop(inputs, fold_in(keys, INPUTS), rate, every_step=every_step)
    return inputs, input_map


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
