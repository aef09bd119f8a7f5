"""What a network predicts while it reads an image, row after row.

The prediction after row k is the network's prediction for a sequence that ends there. This holds for every
cell, every pooling, any number of layers, and both directions. Where a time step is one pixel, a "row" is as
many pixels as the image is wide, in whatever order they are read.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.inference.loading import Trained
from rnn_jax.tasks.task import Task


class Reading(NamedTuple):
    """Predictions and states of a network for one image."""

    probabilities: np.ndarray
    """[rows, classes], float32: after each row."""
    states: np.ndarray
    """[rows, features], float32: outputs of the last recurrence at the end of each row. A backward direction
    has read the image from its end."""


class ImageReader:
    """Reads one image at a time, row by row; compiled when constructed."""

    pixels: np.ndarray
    """[rows, pixels per row], int: the pixels read up to the end of each row, numbered row by row."""

    def __init__(self, trained: Trained) -> None:
        """Compile for images of the dataset's size; the task must be classification."""
        spec, task, network = trained.info.spec, trained.task, trained.network
        height, width = int(spec["height"]), int(spec["width"])
        self.pixels = _reading_order(task, height, width)
        self._parameters = trained.parameters
        ends = np.arange(1, height + 1, dtype=np.int32) * (int(task.spec["time_steps"]) // height)

        def read(parameters: Any, image: jax.Array) -> tuple[jax.Array, jax.Array]:
            steps = _steps(task, image)
            prefixes = jnp.broadcast_to(steps, (height, *steps.shape[1:]))
            logits, _ = network.apply(parameters, prefixes, jnp.asarray(ends), None, {}, None)
            states = network.states(parameters, steps, None)
            return jax.nn.softmax(logits, axis=-1), states[0, ends - 1]

        # Ahead of time, so that the matmul precision of this thread is used by all threads.
        self._read = jax.jit(read).lower(self._parameters, np.zeros((height, width), np.uint8)).compile()

    def read(self, image: np.ndarray) -> Reading:
        """Read an image like the dataset's, uint8 [height, width].

        The returned arrays are copies, and JAX's own buffers are freed here: a thread that frees them while
        the process exits would abort it.
        """
        return Reading(*(np.array(part) for part in self._read(self._parameters, image)))


def _steps(task: Task, image: jax.Array) -> jax.Array:
    """Return the task's input sequence for an image: [1, steps, features]."""
    arrays = {"inputs": image[None], "targets": jnp.zeros(1, jnp.int32)}
    return task.fetch(arrays, jnp.zeros(1, jnp.int32), None).inputs


def _reading_order(task: Task, height: int, width: int) -> np.ndarray:
    """Return the pixel numbers in reading order, from the task's inputs for an image of pixel numbers."""
    numbers = jnp.arange(height * width, dtype=jnp.float32).reshape(height, width)
    read = np.asarray(_steps(task, numbers)).reshape(height, width)
    return read.argsort(axis=None).argsort().reshape(height, width)
