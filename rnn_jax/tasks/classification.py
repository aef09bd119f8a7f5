"""Classification of images that are read step by step.

An image is read as its rows, top to bottom: with height 2 and width 3 and pixels up to 255,

    [[0, 255, 0],       becomes two time steps     [[0., 1., 0.],
     [51, 0, 255]]      of three features           [0.2, 0., 1.]]

and the target is its class. Read by pixels it becomes six steps of one feature. Outputs are logits [batch,
classes].
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.tasks import ordering
from rnn_jax.tasks.metrics import CLASS_METRICS, class_metrics
from rnn_jax.tasks.task import Arrays, Batch, Fetch, Hyper, Metrics, Select, Splits, Task

ClassWeights = Sequence[float] | Literal["balanced"] | None
"""`task.class_weights`."""


def build_classification(
    data_spec: Mapping[str, Any],
    splits: Splits,
    batch_size: int,
    *,
    reading: str,
    permutation_seed: int | None,
    shift_pixels: int,
    class_weights: ClassWeights = None,
) -> Task:
    """Build the task for `inputs` [examples, height, width], white at `data_spec['maximum']`, and `targets`.

    A time step is a row of the image, or with `reading` 'pixels' a pixel. `permutation_seed` permutes the
    time steps of all images alike; training images are shifted randomly by up to `shift_pixels`.

    Raises:
        UserError: the shift would move images out of view, or `class_weights` are wrong.
    """
    height, width = int(data_spec["height"]), int(data_spec["width"])
    if shift_pixels >= max(height, width):
        raise UserError(
            f"task.shift_pixels = {shift_pixels}: must be less than the height or width of the images, "
            f"{height}x{width} pixels"
        )
    time_steps, input_size = (height, width) if reading == "rows" else (height * width, 1)
    order = None
    if permutation_seed is not None:
        order = np.random.default_rng(permutation_seed).permutation(time_steps)
    maximum = np.float32(data_spec["maximum"])

    def fetch(data: Arrays, indices: jax.Array, keys: jax.Array | None) -> Batch:
        rows = jnp.maximum(indices, 0)
        images = data["inputs"][rows]
        if keys is not None and shift_pixels:
            images = shift(images, keys, shift_pixels)
        steps = images.reshape(len(rows), time_steps, input_size)
        if order is not None:
            steps = steps[:, order]
        return Batch(
            inputs=steps.astype(jnp.float32) / maximum,
            targets=data["targets"][rows],
            weights=(indices >= 0).astype(jnp.float32),
        )

    spec = {"input_size": input_size, "time_steps": time_steps, "output_size": int(data_spec["classes"])}
    weights = weights_of_classes(class_weights, splits["train"].get("targets"), spec["output_size"])
    return classification_task(spec, *ordering.build_select(splits, batch_size), fetch, weights)


def classification_task(
    spec: Mapping[str, Any],
    select: Select,
    batches: Mapping[str, Fraction],
    fetch: Fetch,
    class_weights: np.ndarray | None = None,
) -> Task:
    """Return the task with one class per sequence, cross-entropy loss and accuracy; see `Task`.

    `class_weights` [classes] are those of `cross_entropy`. Evaluations also have the recall of each class,
    and `metrics.class_metrics`.
    """
    return Task(
        spec={**spec, "head": "sequence"},
        objective=Objective("accuracy", "max", ties=(("loss", "min"),)),
        metrics={"loss": "min", "accuracy": "max"},
        batches=batches,
        select=select,
        fetch=fetch,
        loss=partial(cross_entropy, class_weights=class_weights),
        class_counts=count_classes,
        finalize=class_metrics,
        derived=dict.fromkeys(CLASS_METRICS, "max"),
    )


def weights_of_classes(weights: ClassWeights, targets: np.ndarray | None, classes: int) -> np.ndarray | None:
    """Return the weight of each class in the loss, float32 [classes]; None: all are 1.

    `targets` are those of the training split. A class has the balanced weight n / (k · count) of n examples
    in k classes, as `compute_class_weight` of scikit-learn; one without examples has weight 1. Raises
    UserError if a list of weights does not fit the classes.
    """
    if weights is None:
        return None
    if weights == "balanced":
        counts = np.bincount(np.asarray(targets), minlength=classes)
        return np.where(counts > 0, counts.sum() / (classes * np.maximum(counts, 1)), 1).astype(np.float32)
    found = np.array(weights, np.float32)
    if len(found) != classes or not (np.isfinite(found) & (found > 0)).all():
        raise UserError(
            f"task.class_weights = {list(weights)}: must be {classes:,} numbers greater than 0, one for each "
            "class in the order that is printed after loading; or balanced"
        )
    return found


def cross_entropy(
    logits: jax.Array, batch: Batch, hyper: Hyper, *, class_weights: np.ndarray | None = None
) -> tuple[jax.Array, jax.Array, Metrics]:
    """Softmax cross-entropy of logits [batch, classes], in nats, and accuracy.

    `hyper['label_smoothing']`, if present, spreads that share of each target evenly over all classes (Szegedy
    et al. 2016, arXiv 1512.00567, section 7). With `class_weights` w [classes], the loss is the sum of
    w[target] · loss divided by the sum of w[target] over the batch: as PyTorch's `CrossEntropyLoss(weight=w,
    label_smoothing=...)` with mean reduction. The metrics have neither: `loss` stays the plain cross-entropy.
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
    count = batch.weights.sum()
    plain = (losses * batch.weights).sum()
    predicted, targets = jnp.argmax(logits, axis=-1).astype(jnp.int32), batch.targets.astype(jnp.int32)
    correct = (predicted == targets).astype(logits.dtype)
    metrics = {"loss": (plain, count), "accuracy": ((correct * batch.weights).sum(), count)}
    if class_weights is None and "label_smoothing" not in hyper:
        return plain, count, metrics
    if class_weights is not None:
        own = jnp.asarray(class_weights)[batch.targets]
        losses, count = losses * own, (own * batch.weights).sum()
    if "label_smoothing" in hyper:
        logs = jax.nn.log_softmax(logits)
        uniform = -(logs if class_weights is None else logs * class_weights[None]).mean(axis=-1)
        losses = (1 - hyper["label_smoothing"]) * losses + hyper["label_smoothing"] * uniform
    return (losses * batch.weights).sum(), count, metrics


def count_classes(logits: jax.Array, batch: Batch) -> Metrics:
    """Return the pairs of `recall` and `precision`, each [classes], of logits [batch, classes]."""
    predictions, classes = jnp.argmax(logits, axis=-1), logits.shape[-1]

    def count(weights: jax.Array, numbers: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(weights, numbers, classes)

    correct = count(jnp.where(predictions == batch.targets, batch.weights, 0), batch.targets)
    examples, predicted = count(batch.weights, batch.targets), count(batch.weights, predictions)
    return {"recall": (correct, examples), "precision": (correct, predicted)}


def shift(images: jax.Array, keys: jax.Array, pixels: int) -> jax.Array:
    """Shift each image [batch, height, width] by up to `pixels` in both directions, padding with black."""
    height, width = images.shape[1:]
    padded = jnp.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels)))

    def crop(image: jax.Array, key: jax.Array) -> jax.Array:
        corner = jax.random.randint(key, (2,), 0, 2 * pixels + 1, jnp.int32)
        return jax.lax.dynamic_slice(image, corner, (height, width))

    return jax.vmap(crop)(padded, keys)
