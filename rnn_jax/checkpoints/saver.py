"""Saving beside training: the state is copied on its devices, and a thread writes the copy."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.format import replace_keys
from rnn_jax.config.objective import Objective
from rnn_jax.config.sections import Checkpoint
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.distributed.synchronization import Synchronizer
from rnn_jax.runtime.errors import UserError, storage_error

SYNCHRONIZED_CLOCK_STEPS = 10
"""How often several processes synchronize the clock of `every_seconds`."""


class Saver:
    """Writes one checkpoint at a time; of several processes only the coordinator writes.

    The saved state takes memory twice until it is written. The loop calls `check` between steps, which raises
    the error of a failed write, and `close` at the end.
    """

    def __init__(
        self, folder: Path, settings: Checkpoint, objective: Objective, synchronizer: Synchronizer
    ) -> None:
        """Start the thread; `settings` is the config section `checkpoint`."""
        self._folder, self._settings, self._objective = folder, settings, objective
        self._synchronizer = synchronizer
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None
        self._saved = time.perf_counter()

    def is_due(self, step: int) -> bool:
        """Whether the config asks for a checkpoint between evaluations after `step` steps."""
        every_seconds = self._settings.every_seconds
        if every_seconds is None:
            return self.is_planned(step)
        due = self.is_planned(step) or time.perf_counter() - self._saved >= every_seconds
        if self._synchronizer.is_single:
            return due
        if step % SYNCHRONIZED_CLOCK_STEPS:  # synchronizing makes the devices wait
            return self.is_planned(step)
        return bool(self._synchronizer.broadcast(due))

    def is_planned(self, step: int) -> bool:
        """Whether the config asks for a checkpoint after `step` steps, however long they take."""
        every_steps = self._settings.every_steps
        return every_steps is not None and step % every_steps == 0

    def save(
        self,
        step: int,
        tree: Mapping[str, Any],
        progress: Mapping[str, Any],
        *,
        before: Callable[[], object],
        after: Callable[[], object],
    ) -> None:
        """Wait for the previous checkpoint, then start to write one.

        The tree has JAX arrays, which may be donated once this returns. The thread calls `before` to flush
        what the checkpoint depends on, and `after` once it exists.

        Raises:
            StorageError: the previous one could not be written.
        """
        self.wait()
        copied = _copy(dict(tree))
        self._saved = time.perf_counter()

        def write() -> None:
            if not self._synchronizer.is_coordinator:
                return
            try:
                before()
                store.write(self._folder, step, placement.fetch(copied), progress)
                store.remove_expired(self._folder, self._settings, self._objective)
            except UserError:  # of `before`
                raise
            except (OSError, ValueError) as error:
                raise storage_error(store.path_of(self._folder, step), error) from error
            after()

        self._writing = self._thread.submit(write)

    def check(self) -> None:
        """Raise the error of the last checkpoint's write, if it has failed by now."""
        if self._writing is not None and self._writing.done():
            self._writing.result()

    def wait(self) -> None:
        """Wait until the last checkpoint is written, and raise the error if that failed."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()
            self._synchronizer.barrier("a checkpoint is there")

    def close(self) -> None:
        """Wait for the thread; an error that `check` and `wait` did not raise is dropped."""
        self._thread.shutdown(wait=True)


@jax.jit
def _copy(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, replace_keys(tree))
