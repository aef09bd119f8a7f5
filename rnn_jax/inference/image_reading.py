"""How a network reads an image: what it would answer had it seen no more, row after row.

The answer after row k is the network's answer to a sequence that ends there. That is right for every cell,
pooling and number of layers, and for two directions; for a forward network that answers from its last state,
it is the last layer applied to the state after row k, and a test says so.

Where a step is a pixel, the pixels are counted off by rows: with 28 × 28 of them, what is called a row here
is 28 steps, whatever their order.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.inference.predictor import Trained
from rnn_jax.models.network import Network
from rnn_jax.tasks.task import Task


class Reading(NamedTuple):
    """What a network made of an image."""

    probabilities: np.ndarray
    """[rows, classes], float32: after each row."""
    states: np.ndarray
    """[rows, features], float32: what the last recurrence says at the end of each row. Where one direction
    runs backwards, its part was read from the end of the whole image."""


class Reader:
    """A network that reads images row by row: compiled once, for one image at a time."""

    pixels: np.ndarray
    """[rows, pixels of a row], int: the pixels that are read from one row's end to the next, counted row by
    row through the image."""

    def __init__(self, known: DatasetInfo, trained: Trained) -> None:
        """Compiles; the data are images, and the task is to name their class."""
        height, width = int(known.spec["height"]), int(known.spec["width"])
        steps = int(trained.task.spec["time_steps"])
        self.pixels = _pixels(trained.task, height, width)
        # Whatever devices it was trained on, one reads.
        self._parameters = jax.device_put(trained.parameters, jax.local_devices()[0])
        ends = np.arange(1, height + 1, dtype=np.int32) * (steps // height)
        read = jax.jit(
            lambda parameters, image: _read(trained.task, trained.network, ends, parameters, image)
        )
        # Ahead of time: a precision that is set for this thread is then kept in all the others.
        self._read = read.lower(self._parameters, np.zeros((height, width), np.uint8)).compile()

    def read(self, image: np.ndarray) -> Reading:
        """Reads an image like the data set's, uint8 [height, width].

        What is returned is copied: JAX's own buffers are freed before this returns. A thread that frees one
        while the process ends aborts it.
        """
        return Reading(*(np.array(part) for part in self._read(self._parameters, image)))


def _read(
    task: Task, network: Network, ends: np.ndarray, parameters: Any, image: jax.Array
) -> tuple[jax.Array, jax.Array]:
    steps = _steps(task, image)
    prefixes = jnp.broadcast_to(steps, (len(ends), *steps.shape[1:]))
    logits, _ = network.apply(parameters, prefixes, jnp.asarray(ends), None, {}, None)
    states = network.states(parameters, steps, None)
    return jax.nn.softmax(logits, axis=-1), states[0, ends - 1]


def _steps(task: Task, image: jax.Array) -> jax.Array:
    """An image as the task has it read: [1, steps, features]."""
    arrays = {"inputs": image[None], "targets": jnp.zeros(1, jnp.int32)}
    return task.fetch(arrays, jnp.zeros(1, jnp.int32), None).inputs


def _pixels(task: Task, height: int, width: int) -> np.ndarray:
    """Which pixels are read when: the task is shown an image whose pixels are their own numbers."""
    numbers = jnp.arange(height * width, dtype=jnp.float32).reshape(height, width)
    read = np.asarray(_steps(task, numbers)).reshape(height, width)
    return read.argsort(axis=None).argsort().reshape(height, width)
