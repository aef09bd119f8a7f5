"""Classification: one label for a whole sequence.

An image is read as its rows, top to bottom: with height 2 and width 3 and pixels up to 255,

    [[0, 255, 0],       becomes two time steps     [[0., 1., 0.],
     [51, 0, 255]]      of three features           [0.2, 0., 1.]]

and the target is its class, 7; read by pixels it becomes six steps of one feature. The network's outputs are
logits [batch, classes].
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks import ordering
from rnn_jax.tasks.task import Arrays, Batch, Hyper, Metrics, Splits, Task


def build_classification(
    data_spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    *,
    reading: str,
    permutation_seed: int | None,
    shift_pixels: int,
) -> Task:
    """Builds the task of naming the class of an image that is read step by step.

    Args:
        data_spec: the data set's spec: `kind` 'image', `height`, `width`, `classes`, `maximum` (white).
        splits: the arrays of each split, whose first axis counts the examples.
        batch_size: rows of a batch.
        reading: what one time step is: a row of the image ('rows'), or a pixel, row after row ('pixels').
        permutation_seed: decides one order in which the pixels of every image are read; None: their own.
        shift_pixels: training images are moved by up to so many pixels, both ways.
    """
    height, width = int(data_spec["height"]), int(data_spec["width"])
    if shift_pixels >= max(height, width):
        raise UserError(
            f"task.shift_pixels = {shift_pixels}: would move images of {height}x{width} pixels out of sight"
        )
    time_steps, input_size = (height, width) if reading == "rows" else (height * width, 1)
    order = None
    if permutation_seed is not None:
        order = np.random.default_rng(permutation_seed).permutation(time_steps)
    return Task(
        spec={
            "input_size": input_size,
            "time_steps": time_steps,
            "output_size": int(data_spec["classes"]),
            "head": "last",
        },
        objective=Objective.of("accuracy", "max"),
        metrics={"loss": "min", "accuracy": "max"},
        batches=ordering.batches(splits, batch_size),
        select=ordering.build_select(splits, batch_size),
        fetch=_build_fetch(float(data_spec["maximum"]), (time_steps, input_size), order, shift_pixels),
        loss=cross_entropy,
    )


def cross_entropy(logits: jax.Array, batch: Batch, hyper: Hyper) -> tuple[jax.Array, jax.Array, Metrics]:
    """Softmax cross-entropy, in nats, of logits [batch, classes], and the accuracy.

    `hyper['label_smoothing']`, where it is there, moves that share of each target evenly onto all classes
    (Szegedy et al. 2016, arXiv 1512.00567, section 7); the reported loss is the plain one all the same.
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
    count = batch.weights.sum()
    plain = (losses * batch.weights).sum()
    correct = (jnp.argmax(logits, axis=-1) == batch.targets).astype(logits.dtype)
    metrics = {"loss": (plain, count), "accuracy": ((correct * batch.weights).sum(), count)}
    if "label_smoothing" not in hyper:
        return plain, count, metrics
    to_all_classes = -jax.nn.log_softmax(logits).mean(axis=-1)
    losses = (1 - hyper["label_smoothing"]) * losses + hyper["label_smoothing"] * to_all_classes
    return (losses * batch.weights).sum(), count, metrics


def shift(images: jax.Array, keys: jax.Array, pixels: int) -> jax.Array:
    """Moves each image [batch, height, width] by up to `pixels` in both directions; black comes in."""
    height, width = images.shape[1:]
    padded = jnp.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))

    def crop(image: jax.Array, key: jax.Array) -> jax.Array:
        corner = jax.random.randint(key, (2,), 0, 2 * pixels + 1)
        return jax.lax.dynamic_slice(image, corner, (height, width))

    return jax.vmap(crop)(padded, keys)


def _build_fetch(
    maximum: float, shape: tuple[int, int], order: np.ndarray | None, shift_pixels: int
) -> Callable[[Arrays, jax.Array, jax.Array | None], Batch]:
    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        rows = jnp.maximum(indices, 0)
        images = data["inputs"][rows]
        if keys is not None and shift_pixels:
            images = shift(images, keys, shift_pixels)
        steps = images.reshape(len(rows), *shape)
        if order is not None:
            steps = steps[:, order]
        return Batch(
            inputs=steps.astype(jnp.float32) / np.float32(maximum),
            targets=data["targets"][rows],
            weights=(indices >= 0).astype(jnp.float32),
        )

    return fetch
