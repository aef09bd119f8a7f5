"""Pooling over time."""

from collections.abc import Callable

import jax.numpy as jnp

from rnn_jax.models.types import Array, Lengths


def pool_last(hidden: Array, last: Array, lengths: Lengths) -> Array:
    """The output at each direction's last step; an empty row has its initial carry's."""
    del hidden, lengths
    return last


def pool_mean(hidden: Array, last: Array, lengths: Lengths) -> Array:
    """The mean over the real steps of each row; zeros for an empty row."""
    del last
    if lengths is None:
        return hidden.mean(axis=1)
    return hidden.sum(axis=1) / jnp.maximum(lengths, 1)[:, None].astype(hidden.dtype)


def pool_max(hidden: Array, last: Array, lengths: Lengths) -> Array:
    """The maximum of each feature over the real steps of each row; zeros for an empty row."""
    del last
    if lengths is None:
        return hidden.max(axis=1)
    # An empty row keeps its first step, which is zeros: the maximum over no steps would be -inf.
    is_real = jnp.arange(hidden.shape[1])[None, :] < jnp.maximum(lengths, 1)[:, None]
    return jnp.where(is_real[:, :, None], hidden, -jnp.inf).max(axis=1)


POOLS: dict[str, Callable[[Array, Array, Lengths], Array]] = {
    "last": pool_last,
    "mean": pool_mean,
    "max": pool_max,
}
"""(hidden [batch, time, features], `Unrolled.last` [batch, features], lengths) -> [batch, features]."""
