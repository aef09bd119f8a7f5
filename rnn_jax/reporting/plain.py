"""The console without a terminal: plain aligned lines, one an event, each written out at once."""

from collections.abc import Mapping, Sequence
from typing import TextIO

import numpy as np

from rnn_jax.reporting.formatting import (
    FIGURE_WIDTH,
    confusion_lines,
    format_figure,
    format_figures,
    format_rate,
    format_seconds,
    in_order,
)

SPLIT_WIDTH = len("validation")


class PlainConsole:
    """Writes lines of names and values: no escape codes, no wrapping. See `Console` for the methods."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_step = 0
        self._unit = "steps"
        self._units_per_step = 1.0

    def header(self, rows: Mapping[str, str]) -> None:
        width = max(map(len, rows), default=0)
        for name, text in rows.items():
            self._line(f"{name:<{width}}  {text}")

    def note(self, text: str) -> None:
        self._line(text)

    def warn(self, text: str) -> None:
        self._line(f"warning: {text}")

    def start(self, first_step: int, last_step: int, unit: str, units_per_step: float = 1) -> None:
        self._last_step = last_step
        self._unit = unit
        self._units_per_step = units_per_step
        self._line(f"training from step {first_step} to step {last_step}")

    def tick(self, step: int) -> None:
        pass

    def logged(self, step: int, figures: Mapping[str, float], rate: float) -> None:
        self._at_step(step, "train", figures, self._speed(step, rate))

    def progressed(self, step: int, figures: Mapping[str, float], rate: float) -> None:
        width = len(f"{self._last_step:,}")
        done = f"{step:>{width},} of {self._last_step:,} {self._unit}"
        self._line(f"{done}  {format_figures(figures)}  {self._speed(step, rate)}")

    def evaluated(self, step: int, split: str, figures: Mapping[str, float], best: bool) -> None:
        self._at_step(step, split, figures, "best" if best else "")

    def sample(self, text: str) -> None:
        pass

    def stop(self) -> None:
        pass

    def results(
        self, rows: Sequence[tuple[str, Mapping[str, float | None]]], notes: Sequence[str] = ()
    ) -> None:
        names = in_order(name for _, figures in rows for name in figures)
        label_width = max((len(label) for label, _ in rows), default=0)
        widths = {name: max(len(name), FIGURE_WIDTH) for name in names}
        self._line(" " * label_width + "".join(f"  {name:>{widths[name]}}" for name in names))
        for label, figures in rows:
            cells = {name: format_figure(name, figures[name]) if name in figures else "" for name in names}
            self._line(f"{label:<{label_width}}" + "".join(f"  {cells[n]:>{widths[n]}}" for n in names))
        for text in notes:
            self._line(text)

    def confusion(self, matrix: np.ndarray, names: Sequence[str]) -> None:
        for line in confusion_lines(matrix, names):
            self._line(line)

    def _at_step(self, step: int, split: str, figures: Mapping[str, float], rest: str) -> None:
        width = len(str(self._last_step))
        self._line(f"step {step:>{width}}  {split:<{SPLIT_WIDTH}}  {format_figures(figures)}  {rest}")

    def _speed(self, step: int, rate: float) -> str:
        left = (self._last_step - step) * self._units_per_step / rate if rate > 0 else float("inf")
        return f"rate {format_rate(rate, self._unit)}  left {format_seconds(left)}"

    def _line(self, text: str) -> None:
        print(text.rstrip(), file=self._stream, flush=True)
