"""Synthetic data: random data with the spec of another data set, drawn from a fixed seed, and learnable.

It needs no file and no network, so that every config can be tried anywhere. `spec["kind"]` decides what it is
like: a new kind of data is one more function in `_GENERATORS`, which yields the arrays of each split.
"""

from collections.abc import Callable, Iterator

import numpy as np

from rnn_jax.catalogue import DATASETS
from rnn_jax.catalogue.entry import resolve
from rnn_jax.datasets.dataset import SPLITS, Arrays, Dataset, Spec, join_sequences
from rnn_jax.datasets.published.texts import with_last_tenth
from rnn_jax.datasets.vocabulary import synthetic_vocabulary
from rnn_jax.runtime.errors import UserError

VERSION = "1.0.0"
_HELD_OUT = 2_000  # generated examples of validation, and of test
_SEED = 20_260_101
_MAX_TOKENS = 16  # distinct tokens that occur: a short text could not teach more
_MAX_LENGTH = 40


def _generate_images(spec: Spec, counts: list[int], random: np.random.Generator) -> Iterator[Arrays]:
    """One smooth random picture for each class, at a random brightness with noise."""
    height, width, classes, maximum = (int(spec[key]) for key in ("height", "width", "classes", "maximum"))
    rows, columns = _interpolation(height), _interpolation(width)
    pictures = rows @ random.uniform(size=(classes, rows.shape[1], columns.shape[1])) @ columns.T
    for count in counts:
        targets = random.permutation(np.arange(count, dtype=np.int32) % classes)
        brightness = random.uniform(0.6, 1.0, size=(count, 1, 1))
        noise = random.normal(scale=0.1, size=(count, height, width))
        values = np.clip(brightness * pictures[targets] + noise, 0.0, 1.0)
        yield {"inputs": np.rint(values * maximum).astype(np.uint8), "targets": targets}


def _interpolation(size: int) -> np.ndarray:
    """Return the matrix [size, knots] of linear interpolation between every fourth pixel."""
    knots = max(2, size // 4)
    positions = np.linspace(0, knots - 1, size)
    return np.maximum(0.0, 1.0 - np.abs(positions[:, None] - np.arange(knots)))


def _generate_text(spec: Spec, counts: list[int], random: np.random.Generator) -> Iterator[Arrays]:
    """Each token is followed by one of two tokens: one bit per token."""
    size = min(int(spec["vocabulary"]), _MAX_TOKENS)
    successors = random.integers(size, size=(size, 2))
    for count in counts:
        tokens = np.zeros(count, np.int32)
        for place, choice in enumerate(random.integers(2, size=count - 1)):
            tokens[place + 1] = successors[tokens[place], choice]
        yield {"tokens": tokens}


def _generate_labelled_texts(spec: Spec, counts: list[int], random: np.random.Generator) -> Iterator[Arrays]:
    """Texts of 1 to 40 tokens, half of which are typical of the class."""
    size, classes = min(int(spec["vocabulary"]), _MAX_TOKENS), int(spec["classes"])
    for count in counts:
        targets = random.permutation(np.arange(count, dtype=np.int32) % classes)
        lengths = random.integers(1, _MAX_LENGTH, endpoint=True, size=count)
        texts = [random.integers(size, size=length).astype(np.int32) for length in lengths]
        for text, target in zip(texts, targets, strict=True):
            # The nearest token number whose remainder is the class.
            typical = np.minimum(text - text % classes + target, size - 1)
            text[:] = np.where(random.uniform(size=len(text)) < 0.5, typical, text)
        yield join_sequences(texts, targets)


def _generate_sequences(spec: Spec, counts: list[int], random: np.random.Generator) -> Iterator[Arrays]:
    """Sine waves of 4 to 40 steps with noise; the target is their frequency."""
    features = int(spec["features"])
    for count in counts:
        classes = int(spec.get("classes", count))
        labels = random.permutation(np.arange(count, dtype=np.int32) % classes)
        frequencies = labels / max(1, classes - 1)  # 0 to 1
        lengths = random.integers(4, _MAX_LENGTH, endpoint=True, size=count)
        waves = []
        for frequency, length in zip(frequencies, lengths, strict=True):
            angles = np.outer(np.arange(length), np.linspace(0.5, 1.0, features)) * (0.3 + frequency)
            waves.append((np.sin(angles) + random.normal(scale=0.1, size=angles.shape)).astype(np.float32))
        targets = labels if "classes" in spec else frequencies[:, None].astype(np.float32)
        yield join_sequences(waves, targets)


_GENERATORS: dict[str, Callable[[Spec, list[int], np.random.Generator], Iterator[Arrays]]] = {
    "image": _generate_images,
    "text": _generate_text,
    "labelled_text": _generate_labelled_texts,
    "sequences": _generate_sequences,
}


_MEASURED: Spec = {"kind": "sequences", "features": 3, "means": [0.0] * 3, "deviations": [1.0] * 3}
SEQUENCES_SPEC: Spec = {**_MEASURED, "classes": 4}
MEASUREMENTS_SPEC: Spec = {**_MEASURED, "outputs": 1, "target_means": [0.5], "target_deviations": [0.3]}


def load_synthetic(*, template: str, examples: int) -> Dataset:
    """Generate data with the spec of the data set `template`; raise UserError if there is none.

    Training has `examples` examples, of a text: tokens; validation and test have a quarter as many.
    """
    templates = {name: entry.template for name, entry in DATASETS.items() if entry.template is not None}
    if template not in templates:
        raise UserError(f"dataset.template = {template}: unknown; must be one of {', '.join(templates)}")
    spec = dict(resolve(templates[template]))
    random, held_out = np.random.default_rng(_SEED), max(1, examples // 4)
    generated = _GENERATORS[str(spec["kind"])](spec, [examples, held_out, held_out], random)
    splits = dict(zip(SPLITS, generated, strict=True))
    vocabulary = synthetic_vocabulary(spec["unit"], spec["vocabulary"]) if "unit" in spec else None
    if DATASETS[template].has_last_tenth:
        splits = with_last_tenth(splits)
    classes = tuple(str(number) for number in range(spec.get("classes", 0)))
    return Dataset(VERSION, spec, splits, vocabulary, classes)


def load_generated(*, examples: int) -> Dataset:
    """Return data of kind 'numbers': `examples` training examples that the task draws, 2,000 of others."""
    numbers = np.arange(2 * _HELD_OUT + examples, dtype=np.int32)
    validation, test, train = np.split(numbers, [_HELD_OUT, 2 * _HELD_OUT])
    parts = {"train": train, "validation": validation, "test": test}
    return Dataset(VERSION, {"kind": "numbers"}, {split: {"numbers": own} for split, own in parts.items()})
