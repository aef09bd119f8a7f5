"""Saving beside training: the state is copied on its devices, and a thread writes the copy."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.checkpoints import arrays, checkpoint
from rnn_jax.checkpoints.retention import Keeper
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.distributed.synchronization import Synchronizer
from rnn_jax.runtime.errors import storage_error

CLOCK_EVERY_STEPS = 10
"""So often several processes ask one another whether a clock asks for a checkpoint."""


class Saver:
    """Writes one checkpoint at a time.

    What is saved stands in memory twice until it is written. To be closed; as the loop may do between any
    two steps, `check` raises what went wrong in the thread.
    """

    def __init__(
        self, folder: Path, keeper: Keeper, direction: str, synchronizer: Synchronizer | None = None
    ) -> None:
        """Writes into a folder of checkpoints.

        Args:
            folder: where they are kept.
            keeper: which ones are, and when.
            direction: 'max' or 'min', which figures of the objective are better.
            synchronizer: between the processes of a run, of which the first one writes; None: there is one.
        """
        self._folder, self._keeper, self._direction = folder, keeper, direction
        self._synchronizer = synchronizer
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None
        self._saved = time.perf_counter()

    def is_due(self, step: int) -> bool:
        """Whether the config asks for a checkpoint between evaluations after `step` steps."""
        due = self._keeper.due(step, time.perf_counter() - self._saved)
        if self._synchronizer is None or self._synchronizer.is_single or not self._keeper.looks_at_the_clock:
            return due
        if step % CLOCK_EVERY_STEPS:  # to ask makes the devices wait
            return self.plans(step)
        return bool(self._synchronizer.broadcast(due))

    def plans(self, step: int) -> bool:
        """Whether the config asks for a checkpoint after `step` steps, however long they take."""
        return self._keeper.plans(step)

    def save(
        self,
        step: int,
        tree: Mapping[str, Any],
        progress: Mapping[str, Any],
        *,
        before: Callable[[], object],
        after: Callable[[], object] = lambda: None,
    ) -> None:
        """Begins to write a checkpoint, once the one before it is written.

        Args:
            step: updates made.
            tree: JAX's arrays, which may be donated once this returns.
            progress: what JSON holds beside them.
            before: called in the thread before the checkpoint is there: what it stands on is flushed.
            after: called in the thread when the checkpoint is there.

        Raises:
            StorageError: the one before could not be written.
        """
        self.wait()
        copied = _copy(dict(tree))
        self._saved = time.perf_counter()

        def write() -> None:
            try:
                before()
                checkpoint.write(self._folder, step, placement.fetch(copied), progress)
                checkpoint.remove_superfluous(self._folder, self._keeper, self._direction)
            except (OSError, ValueError) as error:
                raise storage_error(checkpoint.path_of(self._folder, step), error) from error
            after()

        writes = self._synchronizer is None or self._synchronizer.is_coordinator
        self._writing = self._thread.submit(write if writes else _nothing)

    def check(self) -> None:
        """Raises what went wrong with the checkpoint that was begun last, if that is known by now."""
        if self._writing is not None and self._writing.done():
            self._writing.result()

    def wait(self) -> None:
        """Waits until the checkpoint that was begun last is there, and raises what went wrong with it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()
            if self._synchronizer is not None:
                self._synchronizer.barrier("a checkpoint is there")

    def close(self) -> None:
        """Waits; what went wrong and was not asked for is dropped."""
        self._thread.shutdown(wait=True)


def _nothing() -> None:
    """What a process does that does not write."""


@jax.jit
def _copy(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, arrays.plain(tree))
