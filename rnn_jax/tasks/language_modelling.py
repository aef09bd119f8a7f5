"""Language modelling: at every step, the next token of a text.

The text is cut into as many contiguous streams as a batch has rows, each stream into windows. With two rows
and windows of three steps, the eleven tokens of `a b c d e f g h i j k` are read as

    step 0    inputs  a b c   targets  b c d        step 1    inputs  d e .   targets  e f .
              inputs  f g h   targets  g h i                  inputs  i j .   targets  j k .

The carry passes from a row's window to its next one, and starts anew with each epoch; a dot is nothing, and
weighs nothing. So each token but the very first is a target once an epoch, and once in an evaluation. The
network's outputs are logits [batch, time, vocabulary].
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
"""So many are evaluated at a time at least: windows of few rows are longer, which changes no figure."""

METRICS: dict[str, tuple[str, Callable[[float], float]]] = {
    "word": ("perplexity", math.exp),
    "piece": ("perplexity", math.exp),
    "character": ("bits_per_character", lambda nats: nats / math.log(2)),
    "byte": ("bits_per_byte", lambda nats: nats / math.log(2)),
}
"""By the unit of a token: the figure that the field gives, and how it follows from the mean loss in nats."""


def build_language_modelling(
    data_spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    *,
    bptt_steps: int,
    eval_batch_size: int,
    loss_per: str,
) -> Task:
    """Builds the task.

    Args:
        data_spec: the data set's spec, of kind 'text': `unit`, `vocabulary`.
        splits: of each split `tokens` [tokens].
        batch_size: rows of a training batch.
        bptt_steps: steps of a training window, after which gradients stop.
        eval_batch_size: rows of a batch in an evaluation; with one, every token has all of the split before
            it to be told from.
        loss_per: what the loss whose gradient is taken is a mean over: 'token', or 'row', where it is a sum
            over the steps of the window, as in Zaremba et al. 2014.

    Raises:
        UserError: the training text is shorter than a batch, or another split has nothing to tell.
    """
    _check(splits, batch_size, bptt_steps, eval_batch_size)
    unit = str(data_spec["unit"])
    rows = {split: batch_size if split == "train" else eval_batch_size for split in splits}
    evaluated = max(bptt_steps, EVALUATED_TOKENS // eval_batch_size)
    cuts = {
        split: Cut(arrays["tokens"], rows[split], bptt_steps if split == "train" else evaluated)
        for split, arrays in splits.items()
    }

    def select(split: str, seed: int, step: int) -> np.ndarray:
        del seed  # a stream has one order
        return cuts[split].window(step % cuts[split].windows)

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
        rows_read = batch.weights.max(axis=1).sum()
        return total, count if loss_per == "token" else rows_read, {"loss": (total, count)}

    def finalize(metrics: dict[str, float]) -> dict[str, float]:
        return {**metrics, **metrics_of_loss(unit, metrics["loss"])}

    return Task(
        spec=spec_of(int(data_spec["vocabulary"]), bptt_steps),
        objective=Objective.of(METRICS[unit][0], "min"),
        metrics={"loss": "min"},
        batches={split: Fraction(cut.windows) for split, cut in cuts.items()},
        select=select,
        fetch=fetch,
        loss=loss,
        finalize=finalize,
        carry_rows=rows,
        reads_on_host=True,
        unit="tokens",
        units_per_row=bptt_steps,
    )


def _check(splits: Splits, batch_size: int, bptt_steps: int, eval_batch_size: int) -> None:
    for split, arrays in splits.items():
        if len(arrays["tokens"]) < 2:
            raise UserError(
                f"the text to be used for {split} has {len(arrays['tokens'])} tokens, and needs two"
            )
        if split != "train" and eval_batch_size >= len(arrays["tokens"]):
            raise UserError(
                f"task.eval_batch_size = {eval_batch_size}: more rows than {split} has tokens to tell, "
                f"{len(arrays['tokens']) - 1:,}"
            )
    tokens = len(splits["train"]["tokens"])
    largest = (tokens - 1) // bptt_steps
    if batch_size > largest:
        raise UserError(
            f"dataset.batch_size = {batch_size}: the training text has {tokens:,} tokens, too few for so "
            f"many rows of task.bptt_steps = {bptt_steps}; "
            + (f"{largest:,} would do" if largest else f"even for one: {tokens - 1:,} steps would do")
        )


class Cut:
    """A text cut into streams and windows; the text may lie on the disk."""

    def __init__(self, tokens: np.ndarray, rows: int, steps: int) -> None:
        self._tokens, self._steps = tokens, steps
        # Every token but the last is read once: streams differ by one token at most.
        self._bounds = np.arange(rows + 1, dtype=np.int64) * (len(tokens) - 1) // rows

    @property
    def windows(self) -> int:
        """Windows of the longest stream."""
        return math.ceil(int(np.diff(self._bounds).max()) / self._steps)

    def window(self, number: int) -> np.ndarray:
        """Window `number` of every stream, int32 [rows, 1 + steps + 1].

        First whether the stream begins here, 1 or 0, then the tokens that are read, and the one after them;
        -1 where there is none. Windows overlap by one token, a target in one and an input in the next.
        """
        found = np.full((len(self._bounds) - 1, self._steps + 2), -1, np.int32)
        found[:, 0] = number == 0
        for row, (first, end) in enumerate(zip(self._bounds[:-1], self._bounds[1:], strict=True)):
            begin = first + number * self._steps
            part = self._tokens[begin : min(begin + self._steps, end) + 1]
            if len(part) > 1 and begin < end:
                found[row, 1 : 1 + len(part)] = part
        return found


def spec_of(vocabulary: int, bptt_steps: int) -> dict[str, int | str]:
    """What a network for so many tokens is built from."""
    return {
        "vocabulary": vocabulary,
        "output_size": vocabulary,
        "time_steps": bptt_steps,
        "head": "every",
    }


def metrics_of_loss(unit: str, loss: float) -> dict[str, float]:
    """The mean loss of a token of that unit, in nats, and the figure that the field gives for it."""
    name, of_nats = METRICS[unit]
    try:
        return {"loss": loss, name: of_nats(loss)}
    except OverflowError:
        return {"loss": loss, name: math.inf}
