"""What a run says while it runs: a progress bar and tables on a terminal, plain lines anywhere else."""

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TextIO

import numpy as np

from rnn_jax.reporting.plain import PlainConsole
from rnn_jax.reporting.terminal import TerminalConsole


class Console(Protocol):
    """Where a run speaks. Every method may be called at any time, before `start` and after `stop` too."""

    def header(self, rows: Mapping[str, str]) -> None:
        """What runs where: data, model, devices, run folder, one row each."""
        ...

    def note(self, text: str) -> None:
        """One line that a person may want to know."""
        ...

    def warn(self, text: str) -> None:
        """One line that a person should not miss."""
        ...

    def start(self, first_step: int, last_step: int, unit: str, units_per_step: float = 1) -> None:
        """Training begins after `first_step` updates and ends after `last_step`.

        Rates are given to `logged` in `unit` a second ('steps', 'examples', 'tokens'); one step is
        `units_per_step` of them.
        """
        ...

    def tick(self, step: int) -> None:
        """`step` updates are done. Cheap: to be called after every one."""
        ...

    def logged(self, step: int, figures: Mapping[str, float], rate: float) -> None:
        """The train figures of a logging interval, and its rate in units a second."""
        ...

    def progressed(self, step: int, figures: Mapping[str, float], rate: float) -> None:
        """How far many runs together have come: their best figures so far, and the rate in units a second."""
        ...

    def evaluated(self, step: int, split: str, figures: Mapping[str, float], best: bool) -> None:
        """The figures of a whole split, and whether they are the best so far."""
        ...

    def sample(self, text: str) -> None:
        """What a language model writes by now: shown on a terminal, where somebody looks on."""
        ...

    def stop(self) -> None:
        """Training is over, for whatever reason: the progress bar is let go."""
        ...

    def results(
        self, rows: Sequence[tuple[str, Mapping[str, float | None]]], notes: Sequence[str] = ()
    ) -> None:
        """The closing table: a row's label ('best validation, step 430'; 'test') and its figures."""
        ...

    def confusion(self, matrix: np.ndarray, names: Sequence[str]) -> None:
        """A confusion matrix [classes, classes] of counts (row: label, column: answer)."""
        ...


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing."""

    def write(self, text: str, /) -> int:
        return len(text)


class _Saying(logging.Handler):
    """Passes what the package logs on to a console."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        say = self._console.note if record.levelno < logging.WARNING else self._console.warn
        say(record.getMessage())


@contextmanager
def saying_what_is_logged(console: Console) -> Iterator[None]:
    """Inside, the console shows what the package logs: that data is downloaded or prepared, that it waits.

    Afterwards the logger is as it was: a command called from a program leaves nothing behind in it.
    """
    logger = logging.getLogger("rnn_jax")
    before = logger.level, logger.handlers
    logger.setLevel(logging.INFO)
    logger.handlers = [_Saying(console)]
    try:
        yield
    finally:
        logger.setLevel(before[0])
        logger.handlers = before[1]


def silent_console() -> Console:
    """The console of a process that is not to speak."""
    return PlainConsole(_Nowhere())  # pyright: ignore[reportArgumentType]


def build_console(stream: TextIO | None = None, *, force_terminal: bool | None = None) -> Console:
    """The console that fits `stream` (default: standard output), or what `force_terminal` says it is."""
    output = sys.stdout if stream is None else stream
    is_terminal = force_terminal
    if is_terminal is None:
        is_terminal = output.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return TerminalConsole(output) if is_terminal else PlainConsole(output)
