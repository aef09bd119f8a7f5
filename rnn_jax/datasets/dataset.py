"""The interface of a data set: arrays in splits, and a plain description of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.datasets.vocabulary import UNKNOWN, Vocabulary
from rnn_jax.runtime.errors import shorten

Spec = dict[str, Any]
"""Plain values, as in JSON: {"kind": "image", "height": 28, ...}. A task derives the sizes of a model from
them, and a trained model prepares new inputs with them."""
Arrays = dict[str, np.ndarray]  # of a split, by name
Splits = dict[str, Arrays]
"""Of "train", "validation" and "test"; the last model of a cross-validation has no "validation"."""
SPLITS: tuple[str, ...] = ("train", "validation", "test")
_BLOCK = 1 << 24  # tokens that are looked at together
_MAX_LISTED = 12  # classes that are listed one by one


class Dataset(NamedTuple):
    """A data set in memory.

    The `kind` of the spec decides the arrays of each split; the first axis of the first one counts examples:

    - "image" (`height`, `width`, `classes`, `maximum`: the pixel value of white, and of 16-bit pictures
      `sixteen_bit_white`: the value in their files that became white): `inputs`, uint8 [examples, height,
      width], and `targets`, int32 [examples];
    - "labelled_text" (`unit`, `vocabulary`: the number of tokens, `classes`): `lengths`, int32 [examples],
      `targets`, int32 [examples], and `steps`, int32 [steps], the concatenated tokens of all examples;
    - "sequences" (`features`, their `means` and `deviations`, and `classes`; of a regression `outputs`,
      `target_means` and `target_deviations`; where needed also `shifts` and `target_shifts`, which were
      subtracted from the data): the same, with `steps` float32 [steps, features], and of a regression
      `targets` float32 [examples, outputs];
    - "text" (`unit`: 'word', 'character', 'byte' or 'piece', `vocabulary`): `tokens`, integers [tokens],
      which may be on disk (`numpy.memmap`);
    - "numbers": `numbers`, int32 [examples], from which the task draws each example.
    """

    version: str
    spec: Spec
    splits: Splits
    vocabulary: Vocabulary | None = None  # of texts
    classes: tuple[str, ...] = ()  # class names by number
    notes: tuple[str, ...] = ()  # what was truncated or left out, for display
    source: str = ""  # identifies texts before they are tokenized: other vocabularies are comparable
    name: str = ""  # `dataset.name`; set by `build_dataset`
    batch_size: int = 1  # rows of a training batch; set by `build_dataset`

    @property
    def identity(self) -> dict[str, str]:
        """The name and version, and the `source` of labelled texts, as in summary.json and dataset.json."""
        found = {"name": self.name, "version": self.version, "source": self.source}
        return {name: value for name, value in found.items() if value or name != "source"}

    @property
    def counts(self) -> dict[str, int]:
        """The number of examples, or tokens of a text, in each split."""
        present = [split for split in SPLITS if split in self.splits]
        return {split: len(next(iter(self.splits[split].values()))) for split in present}

    @property
    def tested(self) -> list[str]:
        """The splits that are evaluated once, at the end: 'test', and any further ones."""
        return [split for split in self.splits if split not in ("train", "validation")]


def take(arrays: Arrays, rows: np.ndarray) -> Arrays:
    """Return the arrays of some examples of a split of images, labelled texts or sequences."""
    if "steps" not in arrays:
        return {name: array[rows] for name, array in arrays.items()}
    ends = np.cumsum(arrays["lengths"])
    parts = [arrays["steps"][ends[row] - arrays["lengths"][row] : ends[row]] for row in rows]
    steps = np.concatenate(parts) if parts else arrays["steps"][:0]
    return {"lengths": arrays["lengths"][rows], "targets": arrays["targets"][rows], "steps": steps}


def join_sequences(sequences: Sequence[np.ndarray], targets: np.ndarray) -> Arrays:
    """Return the arrays of a split from its sequences, each [steps, ...], and their targets."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int32)
    return {"lengths": lengths, "targets": targets, "steps": np.concatenate(sequences)}


def truncate_sequences(data: Dataset, max_length: int | None, truncation: str) -> Dataset:
    """Truncate sequences to the first or last (`keep_first`, `keep_last`) steps, and add a note about it."""
    if max_length is None:
        return data
    splits, truncated, examples = {}, 0, 0
    for split, arrays in data.splits.items():
        lengths = arrays["lengths"]
        starts = np.cumsum(lengths) - lengths
        place = np.arange(len(arrays["steps"])) - np.repeat(starts, lengths)  # in its sequence
        surplus = np.maximum(lengths - max_length, 0)
        keep = place < max_length if truncation == "keep_first" else place >= np.repeat(surplus, lengths)
        splits[split] = {**arrays, "lengths": lengths - surplus, "steps": arrays["steps"][keep]}
        truncated, examples = truncated + int((surplus > 0).sum()), examples + len(lengths)
    end = truncation.removeprefix("keep_")
    note = f"{truncated:,} of {examples:,} sequences truncated to the {end} {max_length:,} steps"
    return data._replace(splits=splits, notes=(*data.notes, note) if truncated else data.notes)


def describe(data: Dataset) -> dict[str, str]:
    """Return rows for display by heading: 'data'; 'classes', 'lengths', 'unknown', 'note' where they apply.

    The classes are listed with their shares in the training examples; of many classes, the extremes.
    """
    sizes = ", ".join(f"{count:,} {split}" for split, count in data.counts.items())
    rows = {"data": f"{data.name} {data.version}: {sizes}"}
    if data.vocabulary is not None:
        rows["data"] += f"; {len(data.vocabulary):,} different {data.vocabulary.unit.replace('_', ' ')}s"
    if data.classes:
        counts = np.bincount(data.splits["train"]["targets"], minlength=len(data.classes))
        percent = 100 * counts / counts.sum()
        shares = [
            f"{shorten(name)}: {share:.1f} %" for name, share in zip(data.classes, percent, strict=True)
        ]
        rows["classes"] = ", ".join(shares)
        if len(shares) > _MAX_LISTED:
            rarest, most_frequent = shares[counts.argmin()], shares[counts.argmax()]
            rows["classes"] = f"{len(shares)}; the rarest {rarest}, the most frequent {most_frequent}"
    if "lengths" in data.splits["train"]:
        rows |= _describe_lengths(data)
    if data.vocabulary is not None and data.vocabulary.unknown is not None:
        shares = [f"{_unknown_percent(data, split):.2f} % of {split}" for split in data.counts]
        rows["unknown"] = f"tokens that are {UNKNOWN}: {', '.join(shares)}"
    if data.notes:
        rows["note"] = "; ".join(data.notes)
    return rows


def _describe_lengths(data: Dataset) -> dict[str, str]:
    """Return the row of the lengths, of measured sequences with the number of features."""
    lengths = np.concatenate([arrays["lengths"] for arrays in data.splits.values()])
    shortest, median, longest = lengths.min(), np.median(lengths), lengths.max()
    if (features := data.spec.get("features")) is None:
        return {"lengths": f"shortest {shortest:,}, median {median:,.0f}, longest {longest:,}"}
    steps = f"{shortest:,} / {median:,.0f} / {longest:,} steps (min / median / max)"
    return {
        "sequences": f"{len(lengths):,} sequences, {steps}, {features:,} feature{'s' if features > 1 else ''}"
    }


def _unknown_percent(data: Dataset, split: str) -> float:
    """Return the percentage of unknown tokens in a split, whose tokens may be on disk."""
    arrays = data.splits[split]
    assert data.vocabulary is not None
    tokens = arrays["steps" if "steps" in arrays else "tokens"]
    blocks = (tokens[start : start + _BLOCK] for start in range(0, len(tokens), _BLOCK))
    unknown = sum(int(np.count_nonzero(block == data.vocabulary.unknown)) for block in blocks)
    return 100 * unknown / max(1, len(tokens))
