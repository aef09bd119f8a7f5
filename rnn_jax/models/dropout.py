"""Dropout of values, of embedded tokens and of weights. A row's mask depends on the row's key alone."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rnn_jax.models.types import Array, Parameters

# Folded into a row's key: what the mask is for. Layers take the numbers from 0 on.
INPUTS, OUTPUTS, TOKENS = 1_000, 1_001, 1_002


def fold_in(keys: Array | None, number: int) -> Array | None:
    """Fold a number into each of keys [batch]; None stays None."""
    return None if keys is None else jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)


def dropout(values: Array, keys: Array | None, rate: Array | None, *, variational: bool = False) -> Array:
    """Set each value [batch, ...] to 0 with probability `rate` and scale the others (Srivastava et al. 2014).

    `keys` [batch] has one key per row; without keys or a rate there is no dropout. If `variational`, values
    [batch, time, features] have the same mask at every step (Gal and Ghahramani 2016, arXiv 1512.05287).
    """
    if keys is None or rate is None:
        return values
    shape = (1, *values.shape[2:]) if variational else values.shape[1:]
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, shape))(keys)
    return jnp.where(kept, values / (1 - rate).astype(values.dtype), 0)


def token_mask(tokens: Array, keys: Array | None, rate: Array | None) -> Array | None:
    """Return a mask [batch, time] for embeddings of tokens [batch, time], 0 or 1 / (1 - rate); None: ones.

    A dropped token is dropped everywhere in its row (Gal and Ghahramani 2016, section 4.2): its mask depends
    on the row's key and the token alone.
    """
    if keys is None or rate is None:
        return None

    def keep(key: Array, token: Array) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(key, token), 1 - rate)

    row_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, TOKENS)
    kept = jax.vmap(jax.vmap(keep, in_axes=(None, 0)))(row_keys, tokens)
    return jnp.where(kept, 1 / (1 - rate), 0)


def drop_weights(
    parameters: Parameters, kernels: Sequence[str], key: Array, rate: Array | None
) -> Parameters:
    """Drop weights of the kernels that multiply the hidden state, the same ones in all rows and steps.

    Merity et al. 2018, arXiv 1708.02182, section 2 (DropConnect, Wan et al. 2013). `parameters` are those of
    a stack, by the names of its recurrences; `kernels` are the names of the layers in each.
    """
    if rate is None:
        return parameters
    dropped = dict(parameters)
    names = sorted(name for name in parameters if name.startswith("recurrence_"))
    for number, name in enumerate(names):
        for place, layer in enumerate(sorted(kernels)):
            own_key = jax.random.fold_in(jax.random.fold_in(key, number), place)
            kernel = dropout(parameters[name][layer]["kernel"][None], own_key[None], rate)[0]
            dropped[name] = {**dropped[name], layer: {**parameters[name][layer], "kernel": kernel}}
    return dropped
