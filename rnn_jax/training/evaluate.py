"""Evaluation: every example of a split, once."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.runtime.distributed import placement
from rnn_jax.tasks import metrics

if TYPE_CHECKING:
    from rnn_jax.training.program import Program


def evaluate(
    program: "Program", parameters: Any, split: str, between: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Return the metrics of a whole split.

    Args:
        program: the job on its devices.
        parameters: the network's.
        split: 'validation', 'test' or 'train'.
        between: called before every batch; it may raise.
    """
    carry, parts = program.initial_carry(split), []
    for step in range(math.ceil(program.job.task.batches[split])):
        between()
        indices, data = program.indices(split, step), program.data[split]
        part, carry = program.settle(program.eval_step(parameters, carry, program.hyper, data, indices))
        parts.append(part)
    return program.job.task.finalize(metrics.merge(placement.fetch(parts)))


def training_batch(program: "Program", parameters: Any, step: int) -> dict[str, float]:
    """Return the metrics of training batch number `step`, without augmentation."""
    indices = program.indices("train", step)
    part, _ = program.eval_step(parameters, None, program.hyper, program.data["train"], indices)
    return metrics.merge([placement.fetch(part)])


def outputs(program: "Program", parameters: Any, split: str) -> np.ndarray:
    """Return the network's outputs for every example of a split, in its order: [examples, ...]."""
    numbers, parts = [], []
    for step in range(math.ceil(program.job.task.batches[split])):
        indices = program.indices(split, step)
        found = program.settle(program.output_step(parameters, program.hyper, program.data[split], indices))
        selected = np.asarray(indices)
        selected = selected if selected.ndim == 1 else selected[:, 0]
        numbers.append(selected[selected >= 0])
        parts.append(placement.fetch(found)[selected >= 0])
    found = np.concatenate(parts)
    return found[np.argsort(np.concatenate(numbers))]
