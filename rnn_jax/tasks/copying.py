"""The copying problem: store symbols during a delay, then output them.

The idea is from Hochreiter and Schmidhuber 1997, this form from Arjovsky et al. 2016 (arXiv 1511.06464,
section 4.1). With three symbols of an alphabet of four, here 1 to 4, a blank 0, a delay of two steps and the
recall marker 5,

    inputs     2 4 1   0 5   0 0 0
    targets    0 0 0   0 0   2 4 1

As in Arjovsky et al., T = `delay_steps` counts T - 1 blanks and the marker, and the copy begins one step
after the marker.

Every step has a target and the same weight. A model without memory does best by predicting the blank, then
any symbol: copied · log(alphabet) / steps nats. Outputs are logits [batch, time, alphabet + 1].
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnn_jax.config.objective import Objective
from rnn_jax.tasks import generated, ordering
from rnn_jax.tasks.task import Batch, Hyper, Metrics, Splits, Task

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
    """Build the copying problem, whose examples are drawn from their numbers.

    `delay_steps` steps, the last of them the recall marker, separate the symbols from their copy.
    """
    del data_spec
    select, batches = ordering.build_select(splits, batch_size)

    def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        symbols = jax.random.randint(key, (copied_symbols,), 1, alphabet_size + 1, jnp.int32)
        return lay_out(symbols, delay_steps, alphabet_size)

    return Task(
        spec={
            "vocabulary": alphabet_size + 2,
            "time_steps": delay_steps + 2 * copied_symbols,
            "output_size": alphabet_size + 1,
            "head": "step",
        },
        objective=Objective("loss", "min"),
        metrics={"loss": "min", "accuracy": "max"},
        batches=batches,
        select=select,
        fetch=generated.build_fetch(draw),
        loss=functools.partial(cross_entropy, copied_symbols=copied_symbols),
    )


def lay_out(symbols: jax.Array, delay_steps: int, alphabet_size: int) -> tuple[jax.Array, jax.Array]:
    """Return the inputs and targets [time] for symbols [copied]: see the module docstring."""
    blanks = jnp.full(delay_steps + len(symbols), BLANK, symbols.dtype)
    recall = blanks.at[delay_steps - 1].set(alphabet_size + 1)
    return jnp.concatenate([symbols, recall]), jnp.concatenate([blanks, symbols])


def cross_entropy(
    logits: jax.Array, batch: Batch, hyper: Hyper, copied_symbols: int
) -> tuple[jax.Array, jax.Array, Metrics]:
    """Softmax cross-entropy of all steps, in nats, and accuracy of the copied symbols."""
    del hyper
    weights = batch.weights[:, None]
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
    total, rows = (losses * weights).sum(), batch.weights.sum()
    count = rows * losses.shape[1]
    predicted, targets = jnp.argmax(logits, axis=-1).astype(jnp.int32), batch.targets.astype(jnp.int32)
    correct = (predicted == targets)[:, -copied_symbols:].astype(logits.dtype)
    accuracy = ((correct * weights).sum(), rows * copied_symbols)
    return total, count, {"loss": (total, count), "accuracy": accuracy}
