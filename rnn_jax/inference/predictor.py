"""Prediction for new inputs with a trained model.

with load_trained(config, info, workdir, "best") as trained:
    probabilities = Predictor(trained).predict_images(images)

Inputs are preprocessed as in training, by the task's own `fetch`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from rnn_jax.inference.loading import Trained, placeholder_targets
from rnn_jax.tasks import bucketing
from rnn_jax.tasks.task import Arrays

BATCH_SIZES = (8, 64)
"""The last batch is padded to one of these, so that two compiled programs serve any number of inputs."""
MIN_STEPS = 16
"""Shorter sequences are padded to this length; longer ones to a power of two, at most `max_length`."""

Batched = tuple[dict[str, np.ndarray], np.ndarray]
"""The arrays of a batch, and the indices that select its rows."""


class Predictor:
    """Predicts one output per input: class probabilities, or the values of a regression."""

    def __init__(self, trained: Trained) -> None:
        """Compile nothing before the first call."""
        self._parameters, self._spec = trained.parameters, trained.info.spec
        self._max_length, self._truncate = trained.config.dataset.max_length, trained.config.dataset.truncate
        task, network = trained.task, trained.network

        def apply(parameters: Any, arrays: Arrays, indices: jax.Array) -> jax.Array:
            batch = task.fetch(arrays, indices, None)
            return network.apply(parameters, batch.inputs, batch.lengths, None, {}, None)[0]

        self._apply = jax.jit(apply)

    def predict_images(self, images: np.ndarray) -> np.ndarray:
        """Return predictions [images, outputs] for uint8 [images, height, width] like the dataset's."""
        return self._predict(images, self._batch_of_images)

    def predict_sequences(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Return predictions [sequences, outputs] for arrays [steps, features], or tokens [steps]."""
        if (length := self._max_length) is not None:
            kept = slice(length) if self._truncate == "keep_first" else slice(-length, None)
            sequences = [sequence[kept] for sequence in sequences]
        order = sorted(range(len(sequences)), key=lambda number: len(sequences[number]))
        predictions = self._predict([sequences[number] for number in order], self._batch_of_sequences)
        return predictions[np.argsort(order)]

    def _predict(self, inputs: Any, batch_of: Callable[[Any, int], Batched]) -> np.ndarray:
        parts = []
        for first in range(0, len(inputs), BATCH_SIZES[-1]):
            chosen = inputs[first : first + BATCH_SIZES[-1]]
            arrays, indices = batch_of(chosen, next(rows for rows in BATCH_SIZES if rows >= len(chosen)))
            parts.append(np.asarray(self._apply(self._parameters, arrays, indices))[: len(chosen)])
        outputs = np.concatenate(parts)
        if "classes" in self._spec:
            exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
            return exponentials / exponentials.sum(axis=-1, keepdims=True)
        # Regression targets were standardized.
        deviations, means = self._spec["target_deviations"], self._spec["target_means"]
        values = outputs * np.array(deviations, np.float32) + np.array(means, np.float32)
        shifts = self._spec.get("target_shifts")
        return values if shifts is None else values + np.array(shifts, np.float64)

    def _batch_of_images(self, images: np.ndarray, rows: int) -> Batched:
        padded = np.pad(images, ((0, rows - len(images)), (0, 0), (0, 0)))
        arrays = {"inputs": padded, "targets": placeholder_targets(self._spec, rows)}
        return arrays, np.arange(rows, dtype=np.int32)

    def _batch_of_sequences(self, sequences: Sequence[np.ndarray], rows: int) -> Batched:
        bound = max(MIN_STEPS, 1 << (max(map(len, sequences)) - 1).bit_length())
        bound = bound if self._max_length is None else min(bound, self._max_length)
        step = sequences[0]
        steps = np.zeros((rows, bound, *step.shape[1:]), step.dtype)
        lengths = np.zeros(rows, np.int32)
        for row, sequence in enumerate(sequences):
            steps[row, : len(sequence)], lengths[row] = sequence, len(sequence)
        arrays = {
            "steps": steps.reshape(rows * bound, *step.shape[1:]),
            "targets": placeholder_targets(self._spec, rows),
        }
        return arrays, bucketing.places(np.arange(rows), np.arange(rows) * bound, lengths, bound)
