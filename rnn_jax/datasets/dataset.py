"""What a data set is to the rest of the project: arrays in splits, and a plain description of them."""

from typing import Any, NamedTuple

import numpy as np

from rnn_jax.datasets.vocabulary import Vocabulary

# {"kind": "image", "height": 28, ...}: plain values, as JSON has them, from which a task derives the sizes of
# a model. With them alone new inputs can be made ready for a model that was trained.
Spec = dict[str, Any]
# "train", "validation", "test" -> "inputs", "targets", ... -> an array.
Splits = dict[str, dict[str, np.ndarray]]
SPLITS = ("train", "validation", "test")


class Loaded(NamedTuple):
    """What is loaded of a data set.

    By the `kind` of its spec each split holds, its first array counting the examples:

    - "image" (`height`, `width`, `classes`, `maximum`: the largest value of a pixel): `inputs`, uint8
      [examples, height, width], and `targets`, int32 [examples];
    - "labelled_text" (`unit`, `vocabulary`: how many tokens, `classes`) and "sequences" (`features`, and
      `classes` or `outputs`: `targets` are then float32 [examples, outputs]): `lengths`, int32 [examples],
      `targets`, and `steps`, those of one example after another: tokens, int32 [steps], or float32 [steps,
      features];
    - "text" (`unit`: 'word', 'character', 'byte' or 'piece', `vocabulary`): `tokens`, integers [tokens],
      which may lie on the disk (`numpy.memmap`);
    - "numbers": `numbers`, int32 [examples], from which the task draws each example.
    """

    version: str
    spec: Spec
    splits: Splits
    vocabulary: Vocabulary | None = None
    """Of a text, or of labelled ones."""
    classes: tuple[str, ...] = ()
    """The names of the classes, by their numbers."""
    notes: tuple[str, ...] = ()
    """What was cut or left out, to be shown."""


class Dataset(NamedTuple):
    """A data set in memory, with the size of the batches to be drawn from it: see `Loaded`."""

    name: str
    version: str
    spec: Spec
    splits: Splits
    batch_size: int
    vocabulary: Vocabulary | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Examples in each split, of a text tokens."""
        return {split: len(next(iter(self.splits[split].values()))) for split in SPLITS}

    @property
    def tested(self) -> list[str]:
        """The splits that are looked at once, at the end: 'test', and what a data set has besides."""
        return [split for split in self.splits if split not in ("train", "validation")]
