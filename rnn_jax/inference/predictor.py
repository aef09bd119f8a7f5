"""Answers to new inputs, by a model that was trained: its run folder is all that is needed.

Inputs go the way that the training set's went, through the task's own `fetch`.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax import tasks
from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.store import Which
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.dataset_info import DatasetInfo
from rnn_jax.models import Network, build_network
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.tasks import bucketing
from rnn_jax.tasks.task import Task
from rnn_jax.training.state import evaluated_parameters

ROWS = (8, 64)
"""Inputs that are answered to at a time: always so many, the last ones filled up, so that few programs do."""
SHORTEST = 16
"""Steps that short sequences are filled up to; longer ones to the next power of two, or what is kept."""


class Kept(NamedTuple):
    """What is kept of sequences that are longer than so many steps: keys of the config section `dataset`."""

    steps: int
    end: str
    """'keep_first' or 'keep_last'."""


class Answerer:
    """A network that answers once to each input: with a probability for each class, or with numbers."""

    def __init__(
        self, known: DatasetInfo, task: Task, network: Network, parameters: Any, kept: Kept | None = None
    ) -> None:
        """Compiles nothing yet; `parameters` are the network's, wherever they lie.

        `kept` says what is kept of long sequences; None: all of them.
        """
        self._known, self._kept = known, kept
        self._answer = jax.jit(functools.partial(_answer, task, network))
        # Whatever devices it was trained on, one answers.
        self._parameters = jax.device_put(jax.device_get(parameters), jax.local_devices()[0])

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by the columns of an answer; none where it is numbers."""
        return self._known.classes

    def to_images(self, images: np.ndarray) -> np.ndarray:
        """The answers [images, outputs] to images like the data set's, uint8 [images, height, width]."""
        return self._in_batches(images, self._batch_of_images)

    def to_sequences(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """The answers [sequences, outputs] to sequences, each [steps, features], or tokens [steps]."""
        sequences = [self._cut(sequence) for sequence in sequences]
        order = sorted(range(len(sequences)), key=lambda number: len(sequences[number]))
        found = self._in_batches([sequences[number] for number in order], self._batch_of_sequences)
        return found[np.argsort(order)]

    def _cut(self, sequence: np.ndarray) -> np.ndarray:
        if self._kept is None:
            return sequence
        return (
            sequence[: self._kept.steps] if self._kept.end == "keep_first" else sequence[-self._kept.steps :]
        )

    def _in_batches(self, inputs: Any, batch_of: Any) -> np.ndarray:
        parts = []
        for first in range(0, len(inputs), ROWS[-1]):
            chosen = inputs[first : first + ROWS[-1]]
            arrays, indices = batch_of(chosen, next(rows for rows in ROWS if rows >= len(chosen)))
            parts.append(np.asarray(self._answer(self._parameters, arrays, indices))[: len(chosen)])
        return self._in_units(np.concatenate(parts))

    def _batch_of_images(self, images: np.ndarray, rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        filled = np.pad(images, ((0, rows - len(images)), (0, 0), (0, 0)))
        return {"inputs": filled, "targets": np.zeros(rows, np.int32)}, np.arange(rows, dtype=np.int32)

    def _batch_of_sequences(
        self, sequences: Sequence[np.ndarray], rows: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        bound, longest = SHORTEST, max(map(len, sequences))
        while bound < longest:
            bound *= 2
        if self._kept is not None:
            bound = min(bound, self._kept.steps)
        first = sequences[0]
        steps = np.zeros((rows, bound, *first.shape[1:]), first.dtype)
        lengths = np.zeros(rows, np.int32)
        for row, sequence in enumerate(sequences):
            steps[row, : len(sequence)], lengths[row] = sequence, len(sequence)
        begins = np.arange(rows) * bound
        arrays = {
            "steps": steps.reshape(rows * bound, *first.shape[1:]),
            "targets": _targets(self._known.spec, rows),
        }
        return arrays, bucketing.places(np.arange(rows), begins, lengths, bound)

    def _in_units(self, outputs: np.ndarray) -> np.ndarray:
        spec = self._known.spec
        if "classes" in spec:
            exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
            return exponentials / exponentials.sum(axis=-1, keepdims=True)
        mean, deviation = (np.array(spec[key], np.float32) for key in ("target_means", "target_deviations"))
        return outputs * deviation + mean


def _answer(
    task: Task, network: Network, parameters: Any, arrays: dict[str, jax.Array], indices: jax.Array
) -> jax.Array:
    batch = task.fetch(arrays, indices, None)
    return network.apply(parameters, batch.inputs, batch.lengths, None, {}, None)[0]


class Trained(NamedTuple):
    """What a run folder holds of a model."""

    task: Task
    network: Network
    parameters: Any
    """The network's, of the checkpoint."""
    step: int
    """Of the checkpoint."""
    damaged: Sequence[str]
    """A line for every damaged checkpoint that was passed over."""


def load_trained(config: Config, known: DatasetInfo, workdir: Path, which: Which) -> Trained:
    """The model that a run folder holds, ready for one device: its data is not needed.

    Raises:
        CheckpointError: there is no valid checkpoint of that kind.
    """
    sections, _ = split_hyper(config)
    checkpoints = RunFolder(workdir).checkpoints
    if not store.steps(checkpoints):
        raise CheckpointError(f"{workdir}: holds no checkpoint yet; train it with --workdir {workdir}")
    task = tasks.build_task(known.spec, _one_example(known.spec), 1, **sections["task"])
    network = build_network(config.model, task.spec)
    devices.build_devices(1, **devices.single_process({**sections["runtime"], "devices": 1}))
    found = store.find(checkpoints, which)
    return Trained(task, network, evaluated_parameters(found), found.step, found.warnings)


def load_answerer(
    config: Config, known: DatasetInfo, workdir: Path, which: Which
) -> tuple[Answerer, int, Sequence[str]]:
    """The answerer that a run folder holds: its data is not needed.

    Returns:
        The answerer, the step of its checkpoint, and a line for every damaged checkpoint that was passed
        over.

    Raises:
        CheckpointError: there is no valid checkpoint of that kind.
    """
    trained = load_trained(config, known, workdir, which)
    maximum, kept = config.dataset.max_length, None
    if maximum is not None:
        kept = Kept(maximum, str(config.dataset.truncate))
    answerer = Answerer(known, trained.task, trained.network, trained.parameters, kept)
    return answerer, trained.step, trained.damaged


def _one_example(spec: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """A split with one example of zeros: a task is built for data, and here there are none yet."""
    if spec["kind"] == "image":
        inputs = np.zeros((1, int(spec["height"]), int(spec["width"])), np.uint8)
        return {"train": {"inputs": inputs, "targets": _targets(spec, 1)}}
    steps = np.zeros((1, spec["features"]), np.float32) if "features" in spec else np.zeros(1, np.int32)
    return {"train": {"lengths": np.ones(1, np.int32), "targets": _targets(spec, 1), "steps": steps}}


def _targets(spec: dict[str, Any], rows: int) -> np.ndarray:
    return np.zeros((rows, spec["outputs"]), np.float32) if "outputs" in spec else np.zeros(rows, np.int32)
