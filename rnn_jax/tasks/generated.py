"""Examples that a task draws: the number of an example is its random seed."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnn_jax.tasks.task import Arrays, Batch, Fetch

_SEED = 20_261_101  # of all generated examples; another seed makes another data set


def build_fetch(draw: Callable[[jax.Array], tuple[jax.Array, jax.Array]]) -> Fetch:
    """Build `fetch` from `draw`, which returns inputs [time, ...] and targets of one example for its key."""

    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        del keys  # no augmentation
        numbers = data["numbers"][jnp.maximum(indices, 0)]
        example_keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(_SEED), numbers)
        inputs, targets = jax.vmap(draw)(example_keys)
        return Batch(inputs, targets, weights=(indices >= 0).astype(jnp.float32))

    return fetch
