"""The interface of a data set: arrays in splits, and a plain description of them."""

from typing import Any, NamedTuple

import numpy as np

from rnn_jax.datasets.vocabulary import Vocabulary

Spec = dict[str, Any]
"""Plain values, as in JSON: {"kind": "image", "height": 28, ...}. A task derives the sizes of a model from
them, and a trained model prepares new inputs with them."""
Splits = dict[str, dict[str, np.ndarray]]
"""The arrays of each split, "train", "validation" and "test", by name."""
SPLITS = ("train", "validation", "test")


class Dataset(NamedTuple):
    """A data set in memory.

    The `kind` of the spec decides the arrays of each split; the first axis of the first one counts examples:

    - "image" (`height`, `width`, `classes`, `maximum`: the pixel value of white): `inputs`, uint8 [examples,
      height, width], and `targets`, int32 [examples];
    - "labelled_text" (`unit`, `vocabulary`: the number of tokens, `classes`) and "sequences" (`features`, and
      `classes` or `outputs`: `targets` are then float32 [examples, outputs]): `lengths`, int32 [examples],
      `targets`, and `steps`, the concatenated steps of all examples: tokens, int32 [steps], or float32
      [steps, features];
    - "text" (`unit`: 'word', 'character', 'byte' or 'piece', `vocabulary`): `tokens`, integers [tokens],
    which
      may be on disk (`numpy.memmap`);
    - "numbers": `numbers`, int32 [examples], from which the task draws each example.
    """

    version: str
    spec: Spec
    splits: Splits
    vocabulary: Vocabulary | None = None
    """Of texts."""
    classes: tuple[str, ...] = ()
    """Class names by number."""
    notes: tuple[str, ...] = ()
    """What was truncated or left out, for display."""
    name: str = ""
    """`dataset.name`; set by `build_dataset`."""
    batch_size: int = 1
    """Rows of a training batch; set by `build_dataset`."""

    @property
    def counts(self) -> dict[str, int]:
        """The number of examples, or tokens of a text, in each split."""
        return {split: len(next(iter(self.splits[split].values()))) for split in SPLITS}

    @property
    def tested(self) -> list[str]:
        """The splits that are evaluated once, at the end: 'test', and any further ones."""
        return [split for split in self.splits if split not in ("train", "validation")]


def take(arrays: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of some examples of a split of images, labelled texts or sequences."""
    if "steps" not in arrays:
        return {name: array[rows] for name, array in arrays.items()}
    ends = np.cumsum(arrays["lengths"])
    parts = [arrays["steps"][ends[row] - arrays["lengths"][row] : ends[row]] for row in rows]
    steps = np.concatenate(parts) if parts else arrays["steps"][:0]
    return {"lengths": arrays["lengths"][rows], "targets": arrays["targets"][rows], "steps": steps}
