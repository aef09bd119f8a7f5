"""Language modelling: predict the next token of a text at every step.

The text is cut into as many contiguous streams as a batch has rows, and each stream into windows. With two
rows and windows of three steps, the eleven tokens `a b c d e f g h i j k` become

    step 0    inputs  a b c   targets  b c d        step 1    inputs  d e .   targets  e f .
              inputs  f g h   targets  g h i                  inputs  i j .   targets  j k .

where a dot is padding of weight 0. The carry passes from a row's window to its next one, and starts anew in
each epoch. So every token but the first is a target exactly once in an epoch, and once in an evaluation.
Outputs are logits [batch, time, vocabulary].
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks.task import Arrays, Batch, Hyper, Metrics, Splits, Task

EVALUATED_TOKENS = 1_024
"""An evaluation step reads at least this many tokens: windows of few rows are longer, with equal metrics."""

UNIT_METRICS: dict[str, tuple[str, Callable[[float], float]]] = {
    "word": ("perplexity", math.exp),
    "piece": ("perplexity", math.exp),
    "character": ("bits_per_character", lambda nats: nats / math.log(2)),
    "byte": ("bits_per_byte", lambda nats: nats / math.log(2)),
}
"""For each unit of tokens, the usual metric and how to compute it from the mean loss in nats."""


def build_language_modelling(
    data_spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    *,
    bptt_steps: int,
    eval_batch_size: int,
    loss_per: str,
) -> Task:
    """Build the task for a text with `tokens` [tokens] in each split.

    A training window has `bptt_steps` tokens; gradients stop at its start, since the training step
    differentiates one window at a time. With `eval_batch_size` 1, all
    previous tokens of a split are context when it is evaluated. The optimized loss is a mean over each
    'token', or over each 'row' with a sum over the steps of the window (Zaremba et al. 2014).

    Raises:
        UserError: the training text is shorter than a batch, or another split than its rows.
    """
    _check_sizes(splits, batch_size, bptt_steps, eval_batch_size)
    unit, sizes = (
        str(data_spec["unit"]),
        dict.fromkeys(("vocabulary", "output_size"), data_spec["vocabulary"]),
    )
    rows = {split: batch_size if split == "train" else eval_batch_size for split in splits}
    evaluated_steps = max(bptt_steps, EVALUATED_TOKENS // eval_batch_size)
    streams = {
        split: Streams(arrays["tokens"], rows[split], bptt_steps if split == "train" else evaluated_steps)
        for split, arrays in splits.items()
    }

    def select(split: str, seed: int, step: int) -> np.ndarray:
        del seed  # a stream has one order
        return streams[split].window(step % streams[split].windows)

    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        del data, keys
        fresh, tokens = indices[:, 0] == 1, indices[:, 1:]
        weights = (tokens[:, 1:] >= 0).astype(jnp.float32)
        tokens = jnp.maximum(tokens, 0)
        return Batch(tokens[:, :-1], tokens[:, 1:], weights, fresh=fresh)

    def loss(logits: jax.Array, batch: Batch, hyper: Hyper) -> tuple[jax.Array, jax.Array, Metrics]:
        del hyper
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
        total, count = (losses * batch.weights).sum(), batch.weights.sum()
        real_rows = batch.weights.max(axis=1).sum()
        return total, count if loss_per == "token" else real_rows, {"loss": (total, count)}

    return Task(
        spec=sizes | {"time_steps": bptt_steps, "head": "step"},
        objective=Objective(UNIT_METRICS[unit][0], "min"),
        metrics={"loss": "min"},
        batches={split: Fraction(each.windows) for split, each in streams.items()},
        select=select,
        fetch=fetch,
        loss=loss,
        finalize=lambda metrics: {**metrics, **metrics_of_loss(unit, metrics["loss"])},
        derived={UNIT_METRICS[unit][0]: "min"},
        carry_rows=rows,
        reads_on_host=True,
        unit="tokens",
        units_per_row=bptt_steps,
    )


def _check_sizes(splits: Splits, batch_size: int, bptt_steps: int, eval_batch_size: int) -> None:
    counts = {split: len(arrays["tokens"]) for split, arrays in splits.items()}
    for split, count in counts.items():
        if count < 2:
            raise UserError(f"the {split} text has {count} tokens: must have at least 2")
        if split != "train" and eval_batch_size >= count:
            raise UserError(
                f"task.eval_batch_size = {eval_batch_size}: must be at most {count - 1:,}, the number of "
                f"targets in the {split} text"
            )
    targets = counts["train"] - 1
    if batch_size > targets // bptt_steps:
        remedy = f"dataset.batch_size to at most {targets // bptt_steps:,}"
        if targets < bptt_steps:
            remedy = f"task.bptt_steps to at most {targets:,}"
        raise UserError(
            f"dataset.batch_size = {batch_size}: the training text of {targets + 1:,} tokens is too short "
            f"for that many rows of task.bptt_steps = {bptt_steps}; set {remedy}"
        )


class Streams:
    """A text cut into streams and windows; the text may be on disk."""

    def __init__(self, tokens: np.ndarray, rows: int, steps: int) -> None:
        self._tokens, self._steps = tokens, steps
        # Every token but the last is an input once: the lengths of streams differ by one token at most.
        self._bounds = np.arange(rows + 1, dtype=np.int64) * (len(tokens) - 1) // rows

    @property
    def windows(self) -> int:
        """Number of windows of the longest stream."""
        return math.ceil(int(np.diff(self._bounds).max()) / self._steps)

    def window(self, number: int) -> np.ndarray:
        """Return window `number` of every stream: int32 [rows, 1 + steps + 1].

        The first column is 1 in the first window of a stream, else 0; then follow the inputs and the token
        after them, padded with -1. The last token of a window, a target, is the first input of the next.
        """
        window = np.full((len(self._bounds) - 1, self._steps + 2), -1, np.int32)
        window[:, 0] = number == 0
        for row, (start, end) in enumerate(zip(self._bounds[:-1], self._bounds[1:], strict=True)):
            first = start + number * self._steps
            if first < end:
                tokens = self._tokens[first : min(first + self._steps, end) + 1]
                window[row, 1 : 1 + len(tokens)] = tokens
        return window


def metrics_of_loss(unit: str, loss: float) -> dict[str, float]:
    """Return the mean loss of a token in nats, and the usual metric for tokens of that unit."""
    name, convert = UNIT_METRICS[unit]
    try:
        return {"loss": loss, name: convert(loss)}
    except OverflowError:
        return {"loss": loss, name: math.inf}
