"""Rendering on a terminal, with rich: a progress bar with events above it, tables, coloured tokens."""

import time
from collections.abc import Mapping, Sequence
from typing import TextIO

import numpy as np
import rich.console
from rich import box
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from rnn_jax.reporting.console import SPLIT_WIDTH, Console, Results, result_cells
from rnn_jax.reporting.formatting import format_metrics, printable

SECONDS_BETWEEN_REDRAWS = 0.2  # a redraw costs milliseconds, a training step may take one

TOKEN_COLOURS = {0.5: "", 1.5: "on #3a3000", 3.0: "on #5a4000", 5.0: "on #803800", 8.0: "on #a02020"}
"""Background of a token by the upper bound of its negative log-likelihood in nats."""
UNLIKELIEST = "bold on #d00050"


class TerminalConsole(Console):
    """A `Console` that draws a progress bar, panels and tables."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._rich = _rich_console(stream)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._step = 0
        self._next_redraw = float("inf")

    def header(self, rows: Mapping[str, str]) -> None:
        grid = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2))
        for name, text in rows.items():
            grid.add_row(name, printable(text))
        self._rich.print(Panel(grid, box=box.ROUNDED, border_style="cyan", expand=False))

    def info(self, text: str) -> None:
        self._rich.print(printable(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        self._rich.print(Text.assemble(("warning: ", "bold yellow"), printable(text)), soft_wrap=True)

    def start(self, first_step: int, last_step: int, unit: str, units_per_step: float = 1) -> None:
        self.stop()
        self._step = first_step
        self._last_step, self._unit, self._units_per_step = last_step, unit, units_per_step
        # Redrawn by `tick` alone: a thread would take the interpreter from the training loop.
        self._progress = Progress(
            BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
            TextColumn(f"{{task.completed:>{len(f'{last_step:,}')},.0f}}/{{task.total:,.0f}}"),
            TextColumn("{task.fields[text]}", markup=False),
            console=self._rich,
            auto_refresh=False,
            expand=True,
        )
        text = "compiling the training step"
        self._task = self._progress.add_task("", total=last_step, completed=first_step, text=text)
        self._progress.start()
        self._next_redraw = time.perf_counter() + SECONDS_BETWEEN_REDRAWS

    def tick(self, step: int) -> None:
        self._step = step
        now = time.perf_counter()
        if now >= self._next_redraw:
            self._next_redraw = now + SECONDS_BETWEEN_REDRAWS
            self._redraw()

    def log_training(self, step: int, metrics: Mapping[str, float], rate: float) -> None:
        if self._progress is not None:  # shown by the next redraw
            text = f"{self._speed(step, rate)}  {format_metrics(metrics, 0)}"
            self._progress.update(self._task, text=text)

    log_population = log_training

    def log_evaluation(self, step: int, split: str, metrics: Mapping[str, float], best: bool) -> None:
        place = f"step {step:>{len(f'{self._last_step:,}')},}  {split:<{SPLIT_WIDTH}}  "
        mark = ("  best", "bold green") if best else ""
        self._step = step
        self._rich.print(Text.assemble((place, "dim"), format_metrics(metrics), mark), soft_wrap=True)
        self._redraw()

    def log_sample(self, text: str) -> None:
        self._rich.print(Padding(Text(printable(text), style="italic cyan"), (0, 0, 0, 4), expand=False))
        self._redraw()

    def stop(self) -> None:
        if self._progress is not None:
            self._redraw()
            self._progress.stop()
        self._progress = None
        self._next_redraw = float("inf")

    def results(self, rows: Results, notes: Sequence[str] = ()) -> None:
        heading, *cells = result_cells(rows)
        columns = [Column(name, justify="right" if name else "left", no_wrap=bool(name)) for name in heading]
        table = Table(*columns, box=box.ROUNDED, border_style="cyan")
        for row in cells:
            table.add_row(*row)
        self._rich.print(table)
        for text in notes:
            self.info(text)

    def _redraw(self) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=self._step, refresh=True)


def _rich_console(stream: TextIO | None = None) -> rich.console.Console:
    """A console that prints texts as they are: without markup, `[1, 2]` in a path or a value survives."""
    return rich.console.Console(
        file=stream, force_terminal=stream and True, markup=False, emoji=False, highlight=False
    )


def print_tokens(tokens: Sequence[str], negative_log_likelihoods: np.ndarray) -> None:
    """Print tokens on their negative log-likelihoods' [tokens] colours, in nats, and a legend."""
    console = _rich_console()
    text = Text()
    for token, nats in zip(tokens, negative_log_likelihoods, strict=True):
        style = token_style(float(nats))
        mark = "↵" if style and token.startswith("\n") else ""  # the colour of a newline would be invisible
        text.append(printable(f"{mark}{token}"), style)
    console.print(text, soft_wrap=True)
    legend = Text("negative log-likelihood in nats: ")
    for bound, style in TOKEN_COLOURS.items():
        legend.append(f" ≤ {bound:g} ", style)
    console.print(legend + Text(" more ", UNLIKELIEST))


def token_style(nats: float) -> str:
    """The rich style of a token with this negative log-likelihood; none for a likely token."""
    return next((style for bound, style in TOKEN_COLOURS.items() if nats <= bound), UNLIKELIEST)
