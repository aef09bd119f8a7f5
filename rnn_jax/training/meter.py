"""Training metrics on their way from the devices to the logs and the terminal."""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.datasets.dataset import describe
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import Log
from rnn_jax.runtime.distributed import placement
from rnn_jax.training.build import Job
from rnn_jax.training.population.population import Trainable
from rnn_jax.training.program import ByMember
from rnn_jax.training.progress import MemberStatus


class Display:
    """What a terminal shows of one model."""

    def __init__(self, console: Console, job: Job) -> None:
        self._console, self._job = console, job
        self.log_console = console  # where samples of text are shown

    def header(self, constant: Mapping[str, Any], folder: RunFolder) -> None:
        """Show what is trained, by what `summary.constants` returned."""
        model = f"{self._job.network.name}, {constant['parameters']:,} parameters"
        rows = {"model": model, "devices": constant["devices"], "run folder": str(folder.path)}
        self._console.header({**describe(self._job.data), **rows})

    def start(self, step: int) -> None:
        """Training begins after `step` updates."""
        job = self._job
        self._console.start(step, job.plan.last_step, job.task.unit, units_per_step=job.units_per_step)

    def stop(self) -> None:
        """Training has ended, for whatever reason."""
        self._console.stop()

    def info(self, text: str) -> None:
        """Show one line of information."""
        self._console.info(text)

    def warn(self, text: str, member: int = 0) -> None:
        """Show one line of warning, about one model."""
        self._console.warn(text)

    def updated(self, step: int, running: int) -> None:
        """`step` updates are done, the last one by `running` models."""
        self._console.tick(step)

    def logged(self, step: int, found: ByMember, rate: float) -> None:
        """Show training metrics of an interval, and its throughput: see `Meter`."""
        self._console.log_training(step, found[0], rate)

    def evaluated(
        self,
        step: int,
        found: ByMember,
        improved: Collection[int],
        members: Sequence[MemberStatus],
        rate: float,
    ) -> None:
        """Show validation metrics, which models are better than ever, the status of all, and throughput."""
        self._console.log_evaluation(step, "validation", found[0], 0 in improved)


class Meter:
    """Logs the metrics of intervals, and measures the throughput for everything that reports it.

    The throughput is the number of examples, or tokens, that all models read in a second of training time.
    Compilation, evaluation and saving are not training time: for them the clock is `paused`, after a wait for
    the updates so far. An interval ends when its last update has been computed.
    """

    def __init__(self, program: Trainable, logs: Sequence[Log], display: Display) -> None:
        self._program, self._logs, self._display = program, logs, display
        self._units_per_step = program.job.units_per_step
        self._compiled: dict[str, Any] = {}
        self.skipped: dict[int, int] = {}  # updates of each member, as of the last interval that arrived
        self.restart()

    def restart(self) -> None:
        """Measure from now on; what was taken and not logged yet is dropped."""
        self._pending: tuple[int, Any, Mapping[int, int], int] | None = None
        self._batches: list[tuple[int, ByMember]] = []
        self.diverged = False  # whether a member has, as of the last interval that arrived
        self._resumed: float | None = time.perf_counter()
        self._seconds = 0.0
        self._units = 0
        self._measured = (0, 0.0)  # units and training seconds up to the last interval that arrived

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent inside, on compilation, evaluation or saving, is not training time."""
        self._seconds, self._resumed = self.training_seconds, None
        try:
            yield
        finally:
            self._resumed = time.perf_counter()

    @contextlib.contextmanager
    def compiling(self, name: str, state: Any) -> Iterator[bool]:
        """Pause, after the updates so far, if the function `name` is first called with these shapes.

        Yields whether it is.
        """
        shapes = jax.tree.map(np.shape, state)
        if self._compiled.get(name) == shapes:
            yield False
            return
        self._compiled[name] = shapes
        jax.block_until_ready(state)
        with self.paused():
            yield True

    @property
    def training_seconds(self) -> float:
        """Seconds of training since the last restart."""
        return self._seconds + (0.0 if self._resumed is None else time.perf_counter() - self._resumed)

    def count(self, models: int) -> None:
        """Count one update of each of some models."""
        self._units += models * self._units_per_step

    def take(self, step: int, state: Any) -> Any:
        """Take the metrics of the interval that ends with `step` out of the state; `flush` logs them.

        Flush after the next update has been dispatched: the devices compute it meanwhile.
        """
        self.flush()
        with self.compiling("take_metrics", state):
            state, taken = self._program.take_metrics(state)
        for array in jax.tree.leaves(taken):
            array.copy_to_host_async()
        self._pending = (step, taken, self._program.running(state), self._units)
        return state

    def log_batch(self, step: int, found: ByMember) -> None:
        """Log the metrics of a single batch, after those of the interval before it."""
        self._batches.append((step, found))
        if self._pending is None:
            self._log_batches()

    def flush(self) -> None:
        """Log what was taken, waiting for it if need be."""
        if self._pending is None:
            return
        (step, taken, places, units), self._pending = self._pending, None
        fetched = placement.fetch(taken)
        (units_before, seconds_before), seconds = self._measured, self.training_seconds
        self._measured = (units, seconds)
        found = {number: self._program.member(fetched, place) for number, place in places.items()}
        self.diverged = any(member.diverged_at >= 0 for member in found.values())
        self.skipped = {number: int(member.skipped) for number, member in found.items()}
        self._log(step, found, (units - units_before) / (seconds - seconds_before))

    def rate(self) -> float | None:
        """Examples, or tokens, a second since the last restart; None before the first update."""
        return self._units / self.training_seconds if self._units else None

    def _log(self, step: int, found: Mapping[int, Any], rate: float) -> None:
        task = self._program.job.task
        by_member = {n: task.finalize(self._program.means(member.metrics)) for n, member in found.items()}
        timing = {f"{task.unit}_per_second": rate, "training_seconds": self._measured[1]}
        for number, values in by_member.items():
            self._logs[number].metrics(step, "train", values)
        self._log_batches()
        for number in by_member:
            self._logs[number].timing(step, timing)
        self._display.logged(step, by_member, rate)

    def _log_batches(self) -> None:
        for step, found in self._batches:
            for number, values in found.items():
                self._logs[number].metrics(step, "batch", values)
        self._batches.clear()
