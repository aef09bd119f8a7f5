"""Reports the progress and results of a run: plain lines here, a progress bar and tables on a terminal."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import numpy as np

from rnn_jax.reporting import formatting
from rnn_jax.reporting.formatting import format_metrics

Results = Sequence[tuple[str, Mapping[str, Any]]]
"""Rows of the closing table: a label ('best validation, step 430', 'test') and its metrics."""

SPLIT_WIDTH = len("validation")


class Console:
    """Prints plain aligned lines, one per event, each flushed at once: no escape codes, no wrapping.

    Every method may be called at any time, before `start` and after `stop` too. `TerminalConsole` overrides
    what a terminal can show better. Without a stream nothing is printed, as in all processes but the
    coordinator.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._last_step = 0
        self._unit = "steps"
        self._units_per_step = 1.0

    def header(self, rows: Mapping[str, str]) -> None:
        """Print data, model, devices and run folder, one row each."""
        width = max(map(len, rows), default=0)
        for name, text in rows.items():
            self.info(f"{name:<{width}}  {text}")

    def info(self, text: str) -> None:
        """Print one line of information."""
        if self._stream is not None:
            print(formatting.printable(text.rstrip()), file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        """Print one line of warning."""
        self.info(f"warning: {text}")

    def start(self, first_step: int, last_step: int, unit: str, units_per_step: float = 1) -> None:
        """Begin training after `first_step` updates, to end after `last_step`.

        Throughput is reported in `unit` ('steps', 'examples', 'tokens'), `units_per_step` of them per step.
        """
        self._last_step, self._unit, self._units_per_step = last_step, unit, units_per_step
        self.info(f"training from step {first_step} to step {last_step}")

    def tick(self, step: int) -> None:
        """Record that `step` updates are done. Cheap: called after every update."""

    def log_training(self, step: int, metrics: Mapping[str, float], rate: float) -> None:
        """Print the training metrics of a logging interval, and its throughput in units per second."""
        self._log_step(step, "train", metrics, self._speed(step, rate))

    def log_population(self, step: int, metrics: Mapping[str, float], rate: float) -> None:
        """Print the best metrics of a population so far, and its throughput in units per second."""
        done = f"{step:>{len(f'{self._last_step:,}')},} of {self._last_step:,} {self._unit}"
        self.info(f"{done}  {format_metrics(metrics)}  {self._speed(step, rate)}")

    def log_evaluation(self, step: int, split: str, metrics: Mapping[str, float], best: bool) -> None:
        """Print the metrics of a whole split, and whether they are the best so far."""
        self._log_step(step, split, metrics, "best" if best else "")

    def log_sample(self, text: str) -> None:
        """Show text sampled from a language model; on a terminal only."""

    def stop(self) -> None:
        """End training, for whatever reason, and release the progress bar."""

    def results(self, rows: Results, notes: Sequence[str] = ()) -> None:
        """Print the closing table and lines below it."""
        for line in (*formatting.align(result_cells(rows), first="<", width=formatting.METRIC_WIDTH), *notes):
            self.info(line)

    def confusion(self, matrix: np.ndarray, names: Sequence[str]) -> None:
        """Print a confusion matrix [classes, classes] of counts (row: label, column: prediction)."""
        for line in formatting.confusion_lines(matrix, names):
            self.info(line)

    def _log_step(self, step: int, split: str, metrics: Mapping[str, float], rest: str) -> None:
        width = len(str(self._last_step))
        self.info(f"step {step:>{width}}  {split:<{SPLIT_WIDTH}}  {format_metrics(metrics)}  {rest}")

    def _speed(self, step: int, rate: float) -> str:
        """Throughput and the estimated remaining time."""
        left = (self._last_step - step) * self._units_per_step / rate if rate > 0 else float("inf")
        return f"{formatting.format_rate(rate, self._unit)}  {formatting.format_seconds(left)} left"


def result_cells(rows: Results) -> list[list[str]]:
    """The closing table as text: a heading row with the names of the metrics, then a row per label."""
    rows = [(label, formatting.scalars(metrics)) for label, metrics in rows]
    names = formatting.in_order(name for _, metrics in rows for name in metrics)
    cells = [["", *names]]
    for label, values in rows:
        texts = [formatting.format_metric(name, values[name]) if name in values else "" for name in names]
        cells.append([formatting.one_line(label), *texts])
    return cells


@contextmanager
def logging_to(console: Console) -> Iterator[None]:
    """Within the context, print the package's log records (downloads, waiting for a lock) on `console`.

    Afterwards the logger is as it was, so that calling a command from a program leaves nothing behind.
    """
    logger, handler = logging.getLogger("rnn_jax"), logging.Handler(logging.INFO)
    before = logger.level, logger.handlers

    def emit(record: logging.LogRecord) -> None:
        write = console.info if record.levelno < logging.WARNING else console.warn
        write(record.getMessage())

    handler.emit = emit
    logger.setLevel(logging.INFO)
    logger.handlers = [handler]
    try:
        yield
    finally:
        logger.setLevel(before[0])
        logger.handlers = before[1]


def build_console(stream: TextIO | None = None, *, force_terminal: bool | None = None) -> Console:
    """The console for `stream` (default: standard output), a terminal or not (None: ask the stream)."""
    output = sys.stdout if stream is None else stream
    if force_terminal is None:
        force_terminal = output.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    if not force_terminal:
        return Console(output)
    from rnn_jax.reporting.terminal import TerminalConsole

    return TerminalConsole(output)
