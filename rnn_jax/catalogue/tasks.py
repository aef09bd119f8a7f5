"""The tasks that `task.name` can name."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from rnn_jax.catalogue.entry import STRICT, Data, Entry


@dataclass(frozen=True, eq=False, config=STRICT)
class TaskEntry(Entry):
    """A task: the builder takes (data_spec, splits, batch_size, **options) and returns a `Task`."""

    data: Data
    """The kind of data that it needs."""
    reads: Literal["features", "tokens"]
    """What a time step of its inputs is."""
    predicts: Literal["sequence", "step"]
    """Whether it has one prediction per sequence, or one at every step."""
    names_classes: bool = False
    """Whether a prediction is one of the classes of the data set."""
    language_model: bool = False
    """Whether it predicts the next token of a text."""
    has_accuracy: bool = False
    """Whether `accuracy` is one of its metrics."""
    loss_unit: str | None = None
    """The unit of its loss."""
    steps_key: str | None = None
    """The config key that decides the number of time steps of a row."""
    steps: int | Mapping[str, int] = 500
    """The approximate number of time steps where the value of that key is not a number."""
    steps_may_be_lowered: bool = False
    """Whether another value of that key leaves the task as it is."""


_TASKS, _TASK_KEYS = "rnn_jax.tasks", "rnn_jax.config.sections.task"
_ONE_CLASS: dict[str, Any] = dict(
    predicts="sequence", names_classes=True, has_accuracy=True, loss_unit="nats"
)
_LENGTHS: dict[str, Any] = dict(steps_key="dataset.max_length", steps_may_be_lowered=True)
_LABELLED: dict[str, Any] = dict(options=f"{_TASK_KEYS}:SequenceClassification", **_ONE_CLASS, **_LENGTHS)

TASKS: dict[str, TaskEntry] = {
    "classification": TaskEntry(
        f"{_TASKS}.classification:build_classification",
        options=f"{_TASK_KEYS}:Classification",
        data="image",
        reads="features",
        steps_key="task.reading",
        steps={"rows": 28, "pixels": 784},
        **_ONE_CLASS,
    ),
    "text_classification": TaskEntry(
        f"{_TASKS}.sequences:build_text_classification", data="labelled_text", reads="tokens", **_LABELLED
    ),
    "sequence_classification": TaskEntry(
        f"{_TASKS}.sequences:build_sequence_classification", data="sequences", reads="features", **_LABELLED
    ),
    "sequence_regression": TaskEntry(
        f"{_TASKS}.sequences:build_sequence_regression",
        options=f"{_TASK_KEYS}:Sequences",
        data="sequences",
        reads="features",
        predicts="sequence",
        **_LENGTHS,
    ),
    "adding": TaskEntry(
        f"{_TASKS}.adding:build_adding",
        options=f"{_TASK_KEYS}:Adding",
        data="numbers",
        reads="features",
        predicts="sequence",
        has_accuracy=True,
        steps_key="task.time_steps",
    ),
    "copying": TaskEntry(
        f"{_TASKS}.copying:build_copying",
        options=f"{_TASK_KEYS}:Copying",
        data="numbers",
        reads="tokens",
        predicts="step",
        has_accuracy=True,
        loss_unit="nats",
        steps_key="task.delay_steps",
    ),
    "language_modelling": TaskEntry(
        f"{_TASKS}.language_modelling:build_language_modelling",
        options=f"{_TASK_KEYS}:LanguageModelling",
        data="text",
        reads="tokens",
        predicts="step",
        language_model=True,
        loss_unit="nats",
        steps_key="task.bptt_steps",
        steps_may_be_lowered=True,
    ),
}
