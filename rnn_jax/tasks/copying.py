"""Copying: remember symbols through a delay, and say them again when asked.

Hochreiter and Schmidhuber 1997 has the idea, Arjovsky et al. 2016 (arXiv 1511.06464, section 4.1) this form.
With three symbols of an alphabet of four, here 1 to 4, a blank 0, a delay of two steps and the request 5,

    inputs     2 4 1   0 0   5 0 0
    targets    0 0 0   0 0   2 4 1

Each step is labelled, and each step counts the same. Without memory the best answer is the blank and then any
symbol: copied · log(alphabet) / steps nats. The network's outputs are logits [batch, time, alphabet + 1].
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnn_jax.config.objective import Objective
from rnn_jax.tasks import ordering
from rnn_jax.tasks.task import Arrays, Batch, Hyper, Metrics, Splits, Task, key_of_numbers

BLANK = 0


def build_copying(
    data_spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    *,
    delay_steps: int,
    copied_symbols: int,
    alphabet_size: int,
) -> Task:
    """Builds the task. Each example is drawn from its number.

    Args:
        data_spec: the data set's spec, of kind 'numbers'.
        splits: the arrays of each split, whose first axis counts the examples.
        batch_size: rows of a batch.
        delay_steps: steps from the last symbol to the first of the copy.
        copied_symbols: how many symbols are to be copied.
        alphabet_size: how many different symbols there are.
    """
    del data_spec

    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        del keys  # what is random about an example is its number's
        numbers = data["numbers"][jnp.maximum(indices, 0)]
        symbols = jax.vmap(lambda key: jax.random.randint(key, (copied_symbols,), 1, alphabet_size + 1))
        inputs, targets = lay_out(symbols(key_of_numbers(numbers)), delay_steps, alphabet_size)
        return Batch(inputs, targets, weights=(indices >= 0).astype(jnp.float32))

    def loss(logits: jax.Array, batch: Batch, hyper: Hyper) -> tuple[jax.Array, jax.Array, Metrics]:
        return cross_entropy(logits, batch, hyper, copied_symbols)

    return Task(
        spec={
            "vocabulary": alphabet_size + 2,
            "time_steps": delay_steps + 2 * copied_symbols,
            "output_size": alphabet_size + 1,
            "head": "every",
        },
        objective=Objective.of("loss", "min"),
        metrics={"loss": "min", "accuracy": "max"},
        batches=ordering.batches(splits, batch_size),
        select=ordering.build_select(splits, batch_size),
        fetch=fetch,
        loss=loss,
    )


def lay_out(symbols: jax.Array, delay_steps: int, alphabet_size: int) -> tuple[jax.Array, jax.Array]:
    """Inputs and targets [batch, time] for symbols [batch, copied]: see the module."""
    rows, copied = symbols.shape
    blanks = jnp.full((rows, delay_steps + copied), BLANK, symbols.dtype)
    asked = blanks.at[:, delay_steps].set(alphabet_size + 1)
    return jnp.concatenate([symbols, asked], axis=1), jnp.concatenate([blanks, symbols], axis=1)


def cross_entropy(
    logits: jax.Array, batch: Batch, hyper: Hyper, copied_symbols: int
) -> tuple[jax.Array, jax.Array, Metrics]:
    """Softmax cross-entropy, in nats, over all steps, and the accuracy over the copied ones."""
    del hyper
    weights = batch.weights[:, None]
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
    total, rows = (losses * weights).sum(), batch.weights.sum()
    count = rows * losses.shape[1]
    right = (jnp.argmax(logits, axis=-1) == batch.targets)[:, -copied_symbols:].astype(logits.dtype)
    copied = ((right * weights).sum(), rows * copied_symbols)
    return total, count, {"loss": (total, count), "accuracy": copied}
