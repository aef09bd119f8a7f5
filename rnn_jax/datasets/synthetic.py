"""Synthetic data: random data with the spec of another data set, drawn from a fixed seed, and learnable.

It needs no file and no network, so that every config can be tried anywhere. `spec["kind"]` decides what it is
like: a new kind of data is one more function in `_GENERATORS`.
"""

from collections.abc import Callable

import numpy as np

from rnn_jax.catalogue import DATASETS, resolve
from rnn_jax.datasets import ragged
from rnn_jax.datasets.dataset import SPLITS, Dataset, Spec, Splits
from rnn_jax.datasets.published.texts import with_last_tenth
from rnn_jax.datasets.vocabulary_learning import synthetic_vocabulary
from rnn_jax.runtime.errors import UserError

VERSION = "1.0.0"
HELD_OUT = 2_000  # generated examples of validation, and of test
_SEED = 20_260_101
_MAX_TOKENS = 16  # distinct tokens that occur: a short text could not teach more
_MAX_LENGTH = 40


def generate(spec: Spec, examples: int) -> Splits:
    """Generate `examples` training examples with that spec, and a quarter as many for validation and for
    test.

    The result depends on the arguments alone.
    """
    held_out = max(1, examples // 4)
    counts = {"train": examples, "validation": held_out, "test": held_out}
    random = np.random.default_rng(_SEED)
    return _GENERATORS[str(spec["kind"])](spec, counts, random)


def _generate_images(spec: Spec, counts: dict[str, int], random: np.random.Generator) -> Splits:
    """One smooth random picture for each class, at a random brightness with noise."""
    height, width, classes, maximum = (int(spec[key]) for key in ("height", "width", "classes", "maximum"))
    rows, columns = _interpolation(height), _interpolation(width)
    pictures = rows @ random.uniform(size=(classes, rows.shape[1], columns.shape[1])) @ columns.T

    splits: Splits = {}
    for split, count in counts.items():
        targets = random.permutation(np.arange(count, dtype=np.int32) % classes)
        brightness = random.uniform(0.6, 1.0, size=(count, 1, 1))
        noise = random.normal(scale=0.1, size=(count, height, width))
        values = np.clip(brightness * pictures[targets] + noise, 0.0, 1.0)
        splits[split] = {"inputs": np.rint(values * maximum).astype(np.uint8), "targets": targets}
    return splits


def _interpolation(size: int) -> np.ndarray:
    """Return the matrix [size, knots] of linear interpolation between every fourth pixel."""
    knots = max(2, size // 4)
    positions = np.linspace(0, knots - 1, size)
    return np.maximum(0.0, 1.0 - np.abs(positions[:, None] - np.arange(knots)))


def _generate_text(spec: Spec, counts: dict[str, int], random: np.random.Generator) -> Splits:
    """Each token is followed by one of two tokens: one bit per token."""
    size = min(int(spec["vocabulary"]), _MAX_TOKENS)
    successors = random.integers(size, size=(size, 2))
    splits: Splits = {}
    for split, count in counts.items():
        tokens = np.zeros(count, np.int32)
        for place, choice in enumerate(random.integers(2, size=count - 1)):
            tokens[place + 1] = successors[tokens[place], choice]
        splits[split] = {"tokens": tokens}
    return splits


def _generate_labelled_texts(spec: Spec, counts: dict[str, int], random: np.random.Generator) -> Splits:
    """Texts of 1 to 40 tokens, half of which are typical of the class."""
    size, classes = min(int(spec["vocabulary"]), _MAX_TOKENS), int(spec["classes"])
    splits: Splits = {}
    for split, count in counts.items():
        targets = random.permutation(np.arange(count, dtype=np.int32) % classes)
        lengths = random.integers(1, _MAX_LENGTH, endpoint=True, size=count)
        texts = [random.integers(size, size=length).astype(np.int32) for length in lengths]
        for text, target in zip(texts, targets, strict=True):
            # The nearest token number whose remainder is the class.
            typical = np.minimum(text - text % classes + target, size - 1)
            text[:] = np.where(random.uniform(size=len(text)) < 0.5, typical, text)
        splits[split] = ragged.join(texts, targets)
    return splits


def _generate_sequences(spec: Spec, counts: dict[str, int], random: np.random.Generator) -> Splits:
    """Sine waves of 4 to 40 steps with noise; the target is their frequency."""
    features = int(spec["features"])
    splits: Splits = {}
    for split, count in counts.items():
        classes = int(spec.get("classes", count))
        labels = random.permutation(np.arange(count, dtype=np.int32) % classes)
        frequencies = labels / max(1, classes - 1)  # 0 to 1
        lengths = random.integers(4, _MAX_LENGTH, endpoint=True, size=count)
        waves = []
        for frequency, length in zip(frequencies, lengths, strict=True):
            angles = np.outer(np.arange(length), np.linspace(0.5, 1.0, features)) * (0.3 + frequency)
            waves.append((np.sin(angles) + random.normal(scale=0.1, size=angles.shape)).astype(np.float32))
        targets = labels if "classes" in spec else frequencies[:, None].astype(np.float32)
        splits[split] = ragged.join(waves, targets)
    return splits


_GENERATORS: dict[str, Callable[[Spec, dict[str, int], np.random.Generator], Splits]] = {
    "image": _generate_images,
    "text": _generate_text,
    "labelled_text": _generate_labelled_texts,
    "sequences": _generate_sequences,
}


_MEASURED: Spec = {"kind": "sequences", "features": 3, "means": [0.0] * 3, "deviations": [1.0] * 3}
SEQUENCES_SPEC: Spec = {**_MEASURED, "classes": 4}
MEASUREMENTS_SPEC: Spec = {**_MEASURED, "outputs": 1, "target_means": [0.5], "target_deviations": [0.3]}


def load_synthetic(*, template: str, examples: int) -> Dataset:
    """Generate data with the spec of the data set `template`: `examples` training examples, or tokens of a
    text.

    Raises:
        UserError: there is no such template.
    """
    templates = {name: entry.template for name, entry in DATASETS.items() if entry.template is not None}
    if template not in templates:
        raise UserError(f"dataset.template = {template}: unknown; must be one of {', '.join(templates)}")
    spec = dict(resolve(templates[template]))
    splits, vocabulary = generate(spec, examples), None
    if "unit" in spec:
        vocabulary = synthetic_vocabulary(spec["unit"], spec["vocabulary"])
    if DATASETS[template].has_last_tenth:
        splits = with_last_tenth(splits)
    classes = tuple(str(number) for number in range(spec.get("classes", 0)))
    return Dataset(VERSION, spec, splits, vocabulary, classes)


def load_generated(*, examples: int) -> Dataset:
    """Return data of kind 'numbers': `examples` training examples that the task draws, 2,000 of other
    splits."""
    starts = {"train": 2 * HELD_OUT, "validation": 0, "test": HELD_OUT}
    counts = {"train": examples, "validation": HELD_OUT, "test": HELD_OUT}
    splits: Splits = {
        split: {"numbers": np.arange(starts[split], starts[split] + counts[split], dtype=np.int32)}
        for split in SPLITS
    }
    return Dataset(VERSION, {"kind": "numbers"}, splits)
