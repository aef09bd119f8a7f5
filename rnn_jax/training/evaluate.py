"""Evaluation: every example of a split, once."""

import math
from typing import Any

import jax
import numpy as np

from rnn_jax.tasks import metrics
from rnn_jax.training.program import Program


def evaluate(program: Program, parameters: Any, split: str) -> dict[str, float]:
    """The figures of a whole split.

    Args:
        program: the job on its devices.
        parameters: the network's.
        split: 'validation', 'test' or 'train'.
    """
    carry, parts = None, []
    for step in range(math.ceil(program.job.task.batches[split])):
        part, carry = program.eval_step(
            parameters, carry, program.hyper, program.data[split], program.indices(split, step)
        )
        parts.append(part)
    return metrics.merge(jax.device_get(parts))


def training_batch(program: Program, parameters: Any, step: int) -> dict[str, float]:
    """The figures of training batch number `step`, which is not augmented here."""
    indices = program.indices("train", step)
    part, _ = program.eval_step(parameters, None, program.hyper, program.data["train"], indices)
    return metrics.merge([jax.device_get(part)])


def outputs(program: Program, parameters: Any, split: str) -> np.ndarray:
    """The network's outputs for every example of a split, in its order: [examples, ...]."""
    batches, data = math.ceil(program.job.task.batches[split]), program.data[split]
    parts = [
        program.output_step(parameters, program.hyper, data, program.indices(split, step))
        for step in range(batches)
    ]
    return np.concatenate(jax.device_get(parts))[: len(program.job.data.splits[split]["targets"])]
