"""Training figures on their way from the devices to the log, without making the devices wait."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from rnn_jax.reporting.log import Log
from rnn_jax.runtime.distributed import placement
from rnn_jax.tasks import metrics
from rnn_jax.training.program import Program
from rnn_jax.training.state import State


class Meter:
    """Logs the figures of one interval while the next one is computed, and measures the rate."""

    def __init__(self, program: Program, log: Log, first_step: int) -> None:
        self._program = program
        self._log = log
        self._pending: tuple[int, Any] | None = None
        self._behind: list[tuple[int, Mapping[str, float]]] = []
        self._resumed: float | None = time.perf_counter()
        self._seconds = 0.0
        self._first_step = first_step
        self._measured = (first_step, 0.0)
        self._rate = 0.0
        self.diverged_at = -1
        """The update at which the run diverged, as soon as that is known; -1: none."""
        self.skipped = 0
        """Updates that were skipped, as far as is known."""

    def restart(self, step: int) -> None:
        """Measures from here on, after `step` steps: what came before does not count."""
        self._pending, self.diverged_at = None, -1
        self._behind.clear()
        self._resumed, self._seconds = time.perf_counter(), 0.0
        self._first_step, self._measured = step, (step, 0.0)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent inside, on compilation, evaluation or saving, is not training time."""
        self._seconds, self._resumed = self.training_seconds, None
        try:
            yield
        finally:
            self._resumed = time.perf_counter()

    @property
    def training_seconds(self) -> float:
        """Seconds of training that this meter has seen."""
        running = 0.0 if self._resumed is None else time.perf_counter() - self._resumed
        return self._seconds + running

    def take(self, step: int, state: State) -> State:
        """Takes the figures out of the state after `step` steps, and logs those of the interval before."""
        state, taken = self._program.take_metrics(state)
        for array in jax.tree.leaves(taken):
            array.copy_to_host_async()
        earlier = self._arrived()
        self._measure(step)
        self._say(earlier)
        self._pending = (step, taken)
        return state

    def log_batch(self, step: int, figures: Mapping[str, float]) -> None:
        """Logs the figures of a single batch, after those of the interval before it."""
        self._behind.append((step, figures))
        if self._pending is None:
            self._log_behind()

    def _log_behind(self) -> None:
        for step, figures in self._behind:
            self._log.metrics(step, "batch", figures)
        self._behind.clear()

    def flush(self) -> None:
        """Logs what was taken, waiting for it if need be."""
        self._say(self._arrived())

    def _arrived(self) -> tuple[int, Any] | None:
        """The step and the sums that were taken there, waited for if need be; None: nothing was."""
        if self._pending is None:
            return None
        (step, taken), self._pending = self._pending, None
        found = placement.fetch(taken)
        self.diverged_at, self.skipped = int(found.diverged_at), int(found.skipped)
        return step, found.metrics

    def _measure(self, step: int) -> None:
        """The rate since the figures were taken last: only there are as many steps always under way."""
        (last_step, last_seconds), seconds = self._measured, self.training_seconds
        self._rate = self._units(step - last_step) / (seconds - last_seconds)
        self._measured = (step, seconds)

    def _say(self, arrived: tuple[int, Any] | None) -> None:
        if arrived is None:
            return
        step, sums = arrived
        figures = self._program.job.task.finalize(metrics.merge([sums]))
        self._log.metrics(step, "train", figures)
        self._log_behind()
        unit, seconds = self._program.job.task.unit, self._measured[1]
        self._log.timing(step, {f"{unit}_per_second": self._rate, "training_seconds": seconds})
        self._log.console.log_training(step, figures, self._rate)

    def rate(self, step: int) -> float | None:
        """Examples, or tokens, a second up to `step`, which is done; None before the first step."""
        seconds = self.training_seconds
        return self._units(step - self._first_step) / seconds if step > self._first_step else None

    def _units(self, steps: int) -> int:
        return steps * self._program.job.units_per_step
