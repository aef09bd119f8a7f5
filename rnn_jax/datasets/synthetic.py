"""Synthetic doubles of data sets: data of the same spec, drawn from a fixed seed, and learnable.

They touch no file and no network, so that every config can be tried anywhere. What they are like depends on
`spec["kind"]`: a new kind of data is one more function in the table `KINDS`.
"""

from collections.abc import Callable

import numpy as np

from rnn_jax.catalogue import DATASETS, resolve
from rnn_jax.datasets import ragged, vocabulary
from rnn_jax.datasets.dataset import Loaded, Spec, Splits
from rnn_jax.datasets.published.texts import with_last_tenth
from rnn_jax.runtime.errors import UserError

VERSION = "1.0.0"
_SEED = 20_260_101
_TOKENS_USED = 16
_LONGEST = 40


def load(*, template: str, examples: int) -> Loaded:
    """Draw data with the spec of the data set `template`: `examples` training examples, or tokens of a text.

    Raises:
        UserError: the catalogue has no such template.
    """
    templates = [name for name, entry in DATASETS.items() if entry.template is not None]
    if template not in templates:
        raise UserError(f"dataset.template = {template}: unknown; must be one of {', '.join(templates)}")
    spec = dict(resolve(DATASETS[template].template))
    splits, known = draw(spec, examples), None
    if "unit" in spec:
        known = vocabulary.made_up(str(spec["unit"]), int(spec["vocabulary"]))
    if DATASETS[template].has_last_tenth:
        splits = with_last_tenth(splits)
    classes = tuple(str(number) for number in range(spec.get("classes", 0)))
    return Loaded(VERSION, spec, splits, known, classes)


def draw(spec: Spec, examples: int) -> Splits:
    """Draws `examples` training examples that fit the spec, and a quarter as many each to validate and test.

    The same arguments give the same arrays.
    """
    fewer = max(1, examples // 4)
    counts = {"train": examples, "validation": fewer, "test": fewer}
    return KINDS[str(spec["kind"])](spec, counts)


def _images(spec: Spec, counts: dict[str, int]) -> Splits:
    """A smooth random picture for each class, shown at a random brightness under noise."""
    height, width, classes, maximum = (int(spec[key]) for key in ("height", "width", "classes", "maximum"))
    random = np.random.default_rng(_SEED)
    coarse = random.uniform(size=(classes, _knots(height), _knots(width)))
    pictures = _interpolation(height) @ coarse @ _interpolation(width).T  # [classes, height, width]

    splits: Splits = {}
    for split, count in counts.items():
        targets = random.permutation(np.arange(count, dtype=np.int32) % classes)
        brightness = random.uniform(0.6, 1.0, size=(count, 1, 1))
        noise = random.normal(scale=0.1, size=(count, height, width))
        values = np.clip(brightness * pictures[targets] + noise, 0.0, 1.0)
        splits[split] = {"inputs": np.rint(values * maximum).astype(np.uint8), "targets": targets}
    return splits


def _knots(size: int) -> int:
    """Every fourth pixel is drawn, and at least two are; those between are interpolated."""
    return max(2, size // 4)


def _interpolation(size: int) -> np.ndarray:
    """The matrix [size, knots] that interpolates linearly between the knots."""
    knots = _knots(size)
    positions = np.linspace(0, knots - 1, size)
    return np.maximum(0.0, 1.0 - np.abs(positions[:, None] - np.arange(knots)))


def _texts(spec: Spec, counts: dict[str, int]) -> Splits:
    """After each token comes one of two that belong to it, so that half of what there is to know is known.

    Of a large vocabulary few tokens occur: a short text could not teach more.
    """
    size = min(int(spec["vocabulary"]), _TOKENS_USED)
    random = np.random.default_rng(_SEED)
    successors = random.integers(size, size=(size, 2))
    splits: Splits = {}
    for split, count in counts.items():
        tokens = np.zeros(count, np.int32)
        for place, choice in enumerate(random.integers(2, size=count - 1)):
            tokens[place + 1] = successors[tokens[place], choice]
        splits[split] = {"tokens": tokens}
    return splits


def _labelled_texts(spec: Spec, counts: dict[str, int]) -> Splits:
    """Texts of 1 to 40 tokens, of which some are of their class alone."""
    size, classes = min(int(spec["vocabulary"]), _TOKENS_USED), int(spec["classes"])
    random = np.random.default_rng(_SEED)
    splits: Splits = {}
    for split, count in counts.items():
        targets = random.permutation(np.arange(count, dtype=np.int32) % classes)
        lengths = random.integers(1, _LONGEST, endpoint=True, size=count)
        texts = [random.integers(size, size=length).astype(np.int32) for length in lengths]
        for text, target in zip(texts, targets, strict=True):
            # Numbers whose remainder is another class's become the class's own, half of them.
            own = text - text % classes + target
            text[:] = np.where(random.uniform(size=len(text)) < 0.5, np.minimum(own, size - 1), text)
        splits[split] = ragged.join(texts, targets)
    return splits


def _sequences(spec: Spec, counts: dict[str, int]) -> Splits:
    """Waves under noise, of 4 to 40 steps: what is to be told is their frequency."""
    random = np.random.default_rng(_SEED)
    features = int(spec["features"])
    splits: Splits = {}
    for split, count in counts.items():
        told = np.arange(count, dtype=np.int32) % int(spec.get("classes", count))
        told = random.permutation(told)
        share = told / max(1, int(spec.get("classes", count)) - 1)  # 0 to 1
        waves = []
        for of_most, length in zip(
            share, random.integers(4, _LONGEST, endpoint=True, size=count), strict=True
        ):
            angles = np.outer(np.arange(length), np.linspace(0.5, 1.0, features)) * (0.3 + of_most)
            waves.append((np.sin(angles) + random.normal(scale=0.1, size=angles.shape)).astype(np.float32))
        targets = told if "classes" in spec else share[:, None].astype(np.float32)
        splits[split] = ragged.join(waves, targets)
    return splits


KINDS: dict[str, Callable[[Spec, dict[str, int]], Splits]] = {
    "image": _images,
    "text": _texts,
    "labelled_text": _labelled_texts,
    "sequences": _sequences,
}

_MEASURED: Spec = {"kind": "sequences", "features": 3, "means": [0.0] * 3, "deviations": [1.0] * 3}
SEQUENCES: Spec = {**_MEASURED, "classes": 4}
MEASUREMENTS: Spec = {**_MEASURED, "outputs": 1, "target_means": [0.5], "target_deviations": [0.3]}
