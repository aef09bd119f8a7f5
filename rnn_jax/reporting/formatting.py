"""Metrics, durations and tables as text, the same in the console, the plots and the reports."""

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

METRIC_WIDTH = len("100.00 %")
MAX_LABEL, MAX_NAME = 40, 24  # characters of a name in a plot, and in a table on the console


def is_percentage(name: str) -> bool:
    """Whether a metric is shown in percent: accuracies are."""
    return name.endswith("accuracy")


def format_metric(name: str, value: float | None) -> str:
    """A metric as text: accuracies in percent, perplexities with two decimals; None and NaN are 'nan'."""
    if value is None or not math.isfinite(value):
        return "nan" if value is None else str(value)
    if is_percentage(name):
        return f"{100 * value:.2f} %"
    if name.endswith("perplexity"):
        return f"{value:.2f}"
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.2e}"
    return f"{value:.4f}"


def format_spread(name: str, values: Sequence[float]) -> str:
    """Mean ± sample standard deviation of a metric; the mean alone for one value, a dash for none."""
    if not values:
        return "–"
    text = format_metric(name, statistics.mean(values))
    if len(values) == 1:
        return text
    mean, space, percent = text.partition(" ")
    decimals, kind = (2, "e") if "e" in mean else (len(mean.partition(".")[2]), "f")
    deviation = statistics.stdev(values) * (100 if percent else 1)
    return f"{mean} ± {deviation:.{decimals}{kind}}{space}{percent}"


def scalars(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """The metrics that are one number: not the recall of each class."""
    return {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}


def format_folds(folds: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and texts of the `folds` in a summary.json: the metrics, and the steps of the models."""
    finite = [
        name for name, mean in scalars(folds["mean"]).items() if mean is not None and math.isfinite(mean)
    ]
    values = {name: [each[name] for each in folds["metrics"]] for name in finite}
    metrics = ", ".join(f"{name} {format_spread(name, values[name])}" for name in in_order(values))
    best = ", ".join(f"{step:,}" for step in folds["best_steps"])
    return [
        ("validation over folds", metrics),
        ("steps of the models", f"{best} in the folds; {folds['steps']:,} in the last model"),
    ]


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, the loss first and the others in their order."""
    return sorted(dict.fromkeys(names), key=lambda name: name != "loss")


def format_metrics(metrics: Mapping[str, Any], width: int = METRIC_WIDTH) -> str:
    """Name and value of each metric that is one number, the values right-aligned to `width`."""
    shown = scalars(metrics)
    return "  ".join(f"{name} {format_metric(name, shown[name]):>{width}}" for name in in_order(shown))


def format_seconds(seconds: float) -> str:
    """A duration as `m:ss`, from an hour on as `h:mm:ss`; '?' if it is not finite."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_rate(rate: float, unit: str) -> str:
    """A throughput with at least three digits: `64.1 steps/s`, `8,204 examples/s`."""
    return f"{rate:,.{0 if rate >= 1000 else 1}f} {unit}/s"


def printable(text: str) -> str:
    """The text with control characters replaced, which a terminal would obey; newlines and tabs stay."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    """The text in one line, with every character that cannot be encoded replaced, as `printable` does."""
    return printable(" ".join(text.split())).encode("utf-8", "replace").decode()


def short_label(name: object, width: int = MAX_LABEL) -> str:
    """A name from a user in one line of at most `width` characters, shortened in the middle."""
    text = one_line(str(name))
    end = (2 * width) // 3  # of a path, its end says most
    return text if len(text) <= width else f"{text[: width - end - 1]}…{text[-end:]}"


def align(rows: Sequence[Sequence[str]], *, first: str = ">", width: int = 0) -> list[str]:
    """Rows of cells as lines with aligned columns: `first` ('<' or '>') aligns the first, '>' the others.

    Every column but the first is at least `width` wide.
    """
    heads, *columns = zip(*rows, strict=True)
    sides = [f"{first}{max(map(len, heads))}", *(f">{max(width, *map(len, each))}" for each in columns)]
    return ["  ".join(map(format, row, sides)) for row in rows]


def confusion_lines(matrix: np.ndarray, names: Sequence[str]) -> list[str]:
    """A confusion matrix [classes, classes] of counts (row: label, column: prediction) as aligned text.

    Zeros are dots, so that the mistakes stand out. The last column has the recall of each class.
    """
    names = [short_label(name, MAX_NAME) for name in names]
    cells = [[f"{count:d}" if count else "." for count in row] for row in matrix]
    width = max(len(text) for row in (names, *cells) for text in row)
    recalls = [
        f"{100 * row[place] / row.sum():.1f} %" if row.any() else "–" for place, row in enumerate(matrix)
    ]
    columns = zip(["label", *names], [names, *cells], ["recall", *recalls], strict=True)
    rows = [[name, *row, recall] for name, row, recall in columns]
    return [" " * max(len("label"), *map(len, names)) + "  predicted", *align(rows, width=width)]
