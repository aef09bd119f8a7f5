"""The console on a terminal: a header, a progress bar with what happens above it, a closing table."""

import time
from collections.abc import Mapping, Sequence
from typing import TextIO

import numpy as np
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from rnn_jax.reporting.formatting import (
    confusion_lines,
    format_figure,
    format_figures,
    format_rate,
    format_seconds,
    in_order,
    printable,
)

SECONDS_BETWEEN_REDRAWS = 0.2  # a redraw costs milliseconds, a training step may take one


class TerminalConsole:
    """Draws with rich. See `rnn_jax.reporting.console.Console` for the methods."""

    def __init__(self, stream: TextIO) -> None:
        # Texts are shown as they are: no markup, so that `[1, 2]` in a path or a value survives.
        self._rich = Console(file=stream, force_terminal=True, markup=False, emoji=False, highlight=False)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._step = 0
        self._last_step = 0
        self._unit = "steps"
        self._units_per_step = 1.0
        self._next_redraw = float("inf")

    def header(self, rows: Mapping[str, str]) -> None:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, text in rows.items():
            grid.add_row(name, text)
        self._rich.print(Panel(grid, box=box.ROUNDED, border_style="cyan", expand=False))

    def note(self, text: str) -> None:
        self._rich.print(text, soft_wrap=True)

    def warn(self, text: str) -> None:
        self._rich.print(Text.assemble(("warning: ", "bold yellow"), text), soft_wrap=True)

    def start(self, first_step: int, last_step: int, unit: str, units_per_step: float = 1) -> None:
        self.stop()
        self._step = first_step
        self._last_step = last_step
        self._unit = unit
        self._units_per_step = units_per_step
        # Redrawn by `tick` alone: a thread would take the interpreter from the training loop.
        self._progress = Progress(
            BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
            TextColumn(f"{{task.completed:>{len(f'{last_step:,}')},.0f}}/{{task.total:,.0f}}"),
            TextColumn("{task.fields[figures]}"),
            console=self._rich,
            auto_refresh=False,
            expand=True,
        )
        self._task = self._progress.add_task(
            "", total=last_step, completed=first_step, figures="compiling the training step"
        )
        self._progress.start()
        self._next_redraw = time.perf_counter() + SECONDS_BETWEEN_REDRAWS

    def tick(self, step: int) -> None:
        self._step = step
        now = time.perf_counter()
        if now >= self._next_redraw:
            self._next_redraw = now + SECONDS_BETWEEN_REDRAWS
            self._redraw()

    def logged(self, step: int, figures: Mapping[str, float], rate: float) -> None:
        left = (self._last_step - step) * self._units_per_step / rate if rate > 0 else float("inf")
        text = f"{format_rate(rate, self._unit)}  {format_seconds(left)} left  {format_figures(figures, 0)}"
        if self._progress is not None:  # shown by the next redraw
            self._progress.update(self._task, figures=text)

    def progressed(self, step: int, figures: Mapping[str, float], rate: float) -> None:
        self.logged(step, figures, rate)

    def evaluated(self, step: int, split: str, figures: Mapping[str, float], best: bool) -> None:
        place = f"step {step:>{len(f'{self._last_step:,}')},}  {split:<10}  "
        mark = ("  best", "bold green") if best else ""
        self._step = step
        if self._progress is not None:
            self._progress.update(self._task, completed=step)
        self._rich.print(Text.assemble((place, "dim"), format_figures(figures), mark), soft_wrap=True)
        self._redraw()

    def sample(self, text: str) -> None:
        self._rich.print(Padding(Text(printable(text), style="italic cyan"), (0, 0, 0, 4), expand=False))
        self._redraw()

    def stop(self) -> None:
        if self._progress is not None:
            self._redraw()
            self._progress.stop()
        self._progress = None
        self._next_redraw = float("inf")

    def results(
        self, rows: Sequence[tuple[str, Mapping[str, float | None]]], notes: Sequence[str] = ()
    ) -> None:
        names = in_order(name for _, figures in rows for name in figures)
        table = Table(box=box.ROUNDED, border_style="cyan")
        table.add_column("")
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        for label, figures in rows:
            table.add_row(label, *(format_figure(n, figures[n]) if n in figures else "" for n in names))
        self._rich.print(table)
        for text in notes:
            self.note(text)

    def confusion(self, matrix: np.ndarray, names: Sequence[str]) -> None:
        for line in confusion_lines(matrix, names):
            self.note(line)

    def _redraw(self) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=self._step, refresh=True)
