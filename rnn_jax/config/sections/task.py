"""The config section `task`, and the keys of each task's own: its options in the catalogue."""

from typing import Annotated, Literal

from pydantic import Field

from rnn_jax.catalogue import TASKS
from rnn_jax.config.rules import only
from rnn_jax.config.sections.section import CatalogueName, ComposedSection, HyperNumber, Section


class Task(ComposedSection):
    """What the network is trained to predict."""

    name: Annotated[str, CatalogueName(TASKS)] = Field(description="the task")


class Classes(Section):
    """Keys of the tasks that predict one of several classes."""

    label_smoothing: HyperNumber = Field(
        None, ge=0, lt=1, description="probability that is spread evenly over all classes (None: 0)"
    )
    class_weights: list[float] | Literal["balanced"] | None = Field(
        None, description="weight of each class in the loss; balanced: inverse to its frequency"
    )


class Classification(Classes):
    """Keys of image classification."""

    reading: Literal["rows", "pixels"] = Field(description="the part of an image that is one time step")
    permutation_seed: Annotated[int | None, only(reading="pixels")] = Field(
        None, ge=0, lt=2**32, description="seed of a fixed permutation of the pixels (None: not permuted)"
    )
    shift_pixels: int = Field(ge=0, description="training images are shifted by up to this number of pixels")


class Sequences(Section):
    """Keys of the tasks on sequences of different lengths."""

    buckets: int = Field(
        ge=1, le=64, description="the largest number of lengths that sequences are padded to (1: the longest)"
    )


class SequenceClassification(Sequences, Classes):
    """Keys of the classification of sequences and of texts."""


class Adding(Section):
    """Keys of the adding problem."""

    time_steps: int = Field(ge=2, description="length of the sequences")


class Copying(Section):
    """Keys of the copying task."""

    delay_steps: int = Field(ge=1, description="steps between the last symbol and the first of its copy")
    copied_symbols: int = Field(ge=1, description="the number of symbols to copy")
    alphabet_size: int = Field(ge=2, description="the number of different symbols")


class LanguageModelling(Section):
    """Keys of language modelling."""

    bptt_steps: int = Field(
        ge=1, description="tokens in a window of truncated back-propagation; only the carry passes on"
    )
    eval_batch_size: int = Field(ge=1, description="the number of streams that a text is evaluated in")
    loss_per: Literal["token", "row"] = Field(
        description="the loss is a mean over tokens, or over rows of the sum over their steps"
    )
