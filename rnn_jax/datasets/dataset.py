"""What a data set is to the rest of the project: arrays in splits, and a plain description of them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets.vocabulary import Vocabulary

# {"kind": "image", "height": 28, ...}: plain values, from which a task derives the sizes of a model.
Spec = dict[str, int | str]
# "train", "validation", "test" -> "inputs", "targets", ... -> an array whose first axis counts the examples.
Splits = dict[str, dict[str, np.ndarray]]
SPLITS = ("train", "validation", "test")


class Dataset(NamedTuple):
    """A data set in memory, with the size of the batches to be drawn from it.

    With a spec of kind "image" (height, width, classes, maximum: the largest value of a pixel), each split
    holds `inputs`, uint8 [examples, height, width], and `targets`, int32 [examples]; with kind "numbers",
    `numbers`, int32 [examples], from which the task draws each example; with kind "text" (unit: 'word',
    'character', 'byte' or 'piece'; vocabulary: how many), `tokens`, integers [tokens], which may lie on the
    disk (`numpy.memmap`).
    """

    name: str
    version: str
    spec: Spec
    splits: Splits
    batch_size: int
    vocabulary: Vocabulary | None = None
    """Of a text."""

    @property
    def counts(self) -> dict[str, int]:
        """Examples in each split, of a text tokens."""
        return {split: len(next(iter(self.splits[split].values()))) for split in SPLITS}

    @property
    def tested(self) -> list[str]:
        """The splits that are looked at once, at the end: 'test', and what a data set has besides."""
        return [split for split in self.splits if split not in ("train", "validation")]


class Entry(NamedTuple):
    """A line of the table of data sets: what is known of one before it is loaded, and how to load it."""

    version: str
    spec: Spec
    load: Callable[[str | None, str | None], Splits]  # (data_dir, manual_dir), as in the config
