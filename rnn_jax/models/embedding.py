"""The embedding of tokens."""

import jax
import jax.numpy as jnp

from rnn_jax.models.dropout import INPUTS, dropout, fold_in, token_mask
from rnn_jax.models.types import Array, Hyper, Initializer, InputMap

SMALL_VOCABULARY = 256
"""The largest vocabulary whose embedding is a product with one-hot rows: see `embed`."""


def init_embedding(
    init: Initializer, key: Array, vocabulary: int, size: int, hyper: Hyper
) -> dict[str, Array]:
    """Initialize `embedding` [vocabulary, size], times `hyper['embedding_scale']` if present."""
    return {"embedding": init(key, (vocabulary, size)) * hyper.get("embedding_scale", 1.0)}


def embed(
    embedding: Array, tokens: Array, keys: Array | None, hyper: Hyper, *, variational: bool
) -> tuple[Array, InputMap]:
    """Return the recurrence's inputs [batch, time, features] for tokens, and its input map, if any.

    With a small vocabulary the inputs are one-hot rows and the embedding is the input map: the LSTM
    multiplies it into its input weights once per training step, and its gradient is a matrix product. With a
    large vocabulary, or with `input_dropout`, which drops features of the embedding, it is looked up.

    Args:
        embedding: [vocabulary, size].
        tokens: [batch, time].
        keys: [batch], for dropout; None: no dropout.
        hyper: the dropout rates `embedding_dropout`, of tokens, and `input_dropout`, of features.
        variational: `input_dropout` uses the same mask at every time step.
    """
    mask = token_mask(tokens, keys, hyper.get("embedding_dropout"))
    input_map = None
    if len(embedding) > SMALL_VOCABULARY or "input_dropout" in hyper:
        inputs = embedding[tokens]
    else:
        inputs = jax.nn.one_hot(tokens, len(embedding), dtype=embedding.dtype)
        input_map = {"kernel": embedding, "bias": jnp.zeros(embedding.shape[1], embedding.dtype)}
    if mask is not None:
        inputs = inputs * mask[:, :, None]
    if "input_dropout" in hyper:
        inputs = dropout(inputs, fold_in(keys, INPUTS), hyper["input_dropout"], variational=variational)
    return inputs, input_map
