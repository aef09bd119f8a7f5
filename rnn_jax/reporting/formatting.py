"""How figures are written for people: one place, so that the console, the figures and the tables agree."""

import math
import statistics
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

FIGURE_WIDTH = len("100.00 %")


def format_figure(name: str, value: float | None) -> str:
    """A metric as text: accuracies in percent, perplexities with two decimals; None and NaN are 'nan'."""
    if value is None or not math.isfinite(value):
        return "nan" if value is None else str(value)
    if name.endswith("accuracy"):
        return f"{100 * value:.2f} %"
    if name.endswith("perplexity"):
        return f"{value:.2f}"
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:.4f}"


def format_spread(name: str, values: Sequence[float]) -> str:
    """Mean ± sample standard deviation of a metric; one value has no deviation, and none is a dash."""
    if not values:
        return "–"
    text = format_figure(name, statistics.mean(values))
    if len(values) == 1:
        return text
    mean, space, percent = text.partition(" ")
    decimals = len(mean.partition(".")[2])
    deviation = statistics.stdev(values) * (100 if percent else 1)
    return f"{mean} ± {deviation:.{decimals}f}{space}{percent}"


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, the loss first and the others as they come."""
    return sorted(dict.fromkeys(names), key=lambda name: name != "loss")


def format_figures(figures: Mapping[str, float | None], width: int = FIGURE_WIDTH) -> str:
    """Name and value of each metric, the values right-aligned so that one line stands under another."""
    return "  ".join(f"{name} {format_figure(name, figures[name]):>{width}}" for name in in_order(figures))


def format_seconds(seconds: float) -> str:
    """A duration as `m:ss`, from an hour on as `h:mm:ss`; '?' where it is not finite."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_rate(rate: float, unit: str) -> str:
    """So many units a second, with three digits at least: `64.1 steps/s`, `8,204 examples/s`."""
    return f"{rate:,.{0 if rate >= 1000 else 1}f} {unit}/s"


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey; a line's end and a tab stay."""
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) != "Cc"
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def confusion_lines(matrix: np.ndarray, names: Sequence[str]) -> list[str]:
    """A confusion matrix [classes, classes] of counts (row: label, column: answer) as aligned text.

    Cells without a count are a dot, so that the mistakes stand out.
    """
    cells = [[f"{count:d}" if count else "." for count in row] for row in matrix]
    width = max(len(text) for text in [*names, *(cell for row in cells for cell in row)])
    label_width = max(len("label"), *(len(name) for name in names))
    heading = "label".rjust(label_width) + "  " + "  ".join(name.rjust(width) for name in names)
    rows = [
        name.rjust(label_width) + "  " + "  ".join(cell.rjust(width) for cell in row)
        for name, row in zip(names, cells, strict=True)
    ]
    return [" " * label_width + "  answered", heading, *rows]
