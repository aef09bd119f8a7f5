"""The charts of a run: learning curves, a confusion matrix, mistakes. pyplot's state is left alone.

Texts are drawn as they are: within `styled` no character is markup of Matplotlib's or TeX's. Names from users
pass through `short_label`, since a file's name may be long, or have newlines.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.reporting.formatting import format_metric, is_percentage, short_label
from rnn_jax.reporting.log import read_lines
from rnn_jax.runtime.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COLUMNS, MAX_ROWS = 6, 4  # of the grid of mistakes
MAX_NAME = 15  # characters of a class name there
LOG_SCALE_FACTOR = 5  # positive numbers with a larger ratio get a logarithmic axis
SPLIT_COLOURS = {"train": "#3b6fb6", "validation": "#e0752d", "batch": "#9fb4cf", "test": "#444444"}
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "white",
    "legend.fontsize": 10,
    "lines.linewidth": 1.7,
    "savefig.dpi": 150,
    # A `$` of a name is no mathematics. The default ticks of logarithmic axes are: use `log_scale`.
    "text.parse_math": False,
    "text.usetex": False,
}
MISSING_GLYPH = r"Glyph \d+ .* missing from|Matplotlib currently does not support .* natively"

Names = Sequence[object]


class Series(NamedTuple):
    """A line of a chart: `steps` [points] and `values` [points], NaN for a gap."""

    steps: np.ndarray
    values: np.ndarray


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style, within a context or a decorated function; Matplotlib's settings are restored."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, its size in inches, outside of pyplot: no window, nothing to close."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as a PNG and return its path; raise as `replacing`. Missing glyphs become boxes."""
    with replacing(path) as unfinished, warnings.catch_warnings():
        warnings.filterwarnings("ignore", MISSING_GLYPH, UserWarning)
        figure.savefig(unfinished, format="png")
    return path


def series_of(rows: Sequence[Mapping[str, Any]], split: str, name: str) -> Series:
    """A metric of a split over the steps, from the rows of a metrics.jsonl."""
    found = [row for row in rows if row.get("split") == split and name in row]
    values = [np.nan if row[name] is None else row[name] for row in found]
    return Series(np.array([row["step"] for row in found], dtype=int), np.array(values, dtype=float))


@styled()
def curves(folder: Path, objective: Objective) -> Path:
    """Plot a run folder's metrics.jsonl into `curves.png`, and return its path.

    One panel each for the loss, the objective and the accuracy, if they were logged: every split over the
    steps, a mark at the best validation step, and a dashed line for the test metric of summary.json.
    """
    rows = read_lines(folder / "metrics.jsonl")
    logged = {name for row in rows for name in row}
    names = [name for name in dict.fromkeys(("loss", objective.metric, "accuracy")) if name in logged]
    summary = RunFolder(folder).read_summary() or {}
    figure = new_figure(5.6 * max(len(names), 1), 4.2)
    best = objective.best(row for row in rows if row.get("split") == "validation")
    best_step = None if best is None else best["step"]
    for column, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), column + 1)
        by_split = {split: series_of(rows, split, name) for split in ("train", "validation", "batch")}
        draw_metric(axes, name, by_split, (summary.get("test") or {}).get(name))
        values = by_split["validation"].values[by_split["validation"].steps == best_step]
        if best_step is not None and np.isfinite(values[:1]).any():
            label = f"best, step {best_step:,}: {format_metric(name, values[0])}"
            colour, value = SPLIT_COLOURS["validation"], scaled(name, values[0])
            axes.plot(best_step, value, "o", color=colour, label=label, ms=9, mfc="none", mew=1.8)
        add_legend(axes)
    return save(figure, folder / "curves.png")


@styled()
def confusion(matrix: np.ndarray, names: Sequence[str], path: Path) -> Path:
    """Plot a confusion matrix [classes, classes] of counts (row: label, column: prediction) into `path`.

    Correct predictions (the diagonal) and errors have a colour scale each, relative to the row: on a common
    scale, the errors of a good model would be invisible.
    """
    classes, names = len(names), [short_label(name) for name in names]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    errors = np.where((matrix > 0) & ~np.eye(classes, dtype=bool), shares, np.nan)
    recalls = np.diag(shares)
    side = min(max(4, 1.8 + 0.52 * classes), 24)
    longest = max(map(len, names))
    is_crowded = len(names) * longest > 40
    figure = new_figure(side + 0.8 + 0.11 * longest, side + is_crowded * 0.09 * longest)
    axes = figure.add_subplot()
    axes.imshow(np.diag(recalls) + np.where(np.eye(classes), 0, np.nan), cmap="Blues", vmin=0, vmax=2.2)
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=1.8 * np.nanmax(errors, initial=1e-9))
    for row, column in np.argwhere(matrix > 0) if classes <= 30 else ():
        style: dict[str, Any] = {"fontsize": 9.5, "weight": "bold" if row == column else "normal"}
        axes.text(column, row, f"{matrix[row, column]:,d}", ha="center", va="center", **style)
    axes.set_xticks(range(len(names)), names, rotation=90 if is_crowded else 0)
    rows = [f"{name}  {100 * recall:.1f} %" for name, recall in zip(names, recalls, strict=True)]
    axes.set_yticks(range(len(names)), rows)
    axes.set(xlabel="prediction", ylabel="label, recall")
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(visible=False, which="major")
    axes.grid(visible=True, which="minor", color="#dddddd", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    correct, total = int(np.trace(matrix)), int(matrix.sum())
    accuracy = format_metric("accuracy", correct / max(total, 1))
    axes.set_title(f"{correct:,} of {total:,} correct ({accuracy})")
    return save(figure, path)


@styled()
def mistakes(
    images: np.ndarray, labels: Names, predictions: Names, probabilities: Sequence[float], path: Path
) -> Path:
    """Plot a grid of the most confident mistakes among misclassified `images` [n, height, width] into `path`.

    `probabilities` [n], 0 to 1, are those of the `predictions` [n].
    """
    order = np.argsort(-np.asarray(probabilities, dtype=float), kind="stable")[: MAX_COLUMNS * MAX_ROWS]
    across = max(2, min(MAX_COLUMNS, len(order)))
    down = -(-len(order) // across)
    figure = new_figure(1.8 * across, 2.1 * down + 0.5)
    title = {0: "No mistakes", 1: "The only mistake"}.get(len(images), f"All {len(images)} mistakes")
    if len(order) < len(images):
        title = f"The {len(order)} most confident of {len(images):,} mistakes"
    figure.suptitle(title, fontsize=12, weight="bold", x=0.02, ha="left")
    for place, n in enumerate(order):
        axes = figure.add_subplot(down, across, place + 1)
        axes.imshow(images[n], cmap="gray_r", vmin=0, vmax=max(images.max(), 1))
        label, predicted = (short_label(names[n], MAX_NAME) for names in (labels, predictions))
        between = ", " if len(label) + len(predicted) <= MAX_NAME // 2 else "\n"
        text = f"label {label}{between}predicted {predicted}\n({100 * probabilities[n]:.1f} %)"
        axes.set_title(text, fontsize=9, weight="normal", loc="center")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
    return save(figure, path)


def draw_metric(axes: "Axes", name: str, series: Mapping[str, Series], test: float | None = None) -> None:
    """Draw a metric over the steps, one line per split, with axes fitted to the final values.

    The series 'batch' is drawn as small dots in the background, the `test` value as a dashed line.
    """
    for split, line in series.items():
        if np.isfinite(line.values).any():
            marker = "o" if len(line.steps) <= 30 else ""
            style: dict[str, Any] = {"marker": marker, "markersize": 3.5}
            if split == "batch":
                style = {"marker": ".", "linestyle": "", "markersize": 3, "zorder": 1}
            axes.plot(line.steps, scaled(name, line.values), color=SPLIT_COLOURS[split], label=split, **style)
    if test is not None:
        label, colour = f"test {format_metric(name, test)}", SPLIT_COLOURS["test"]
        axes.axhline(scaled(name, test), color=colour, linestyle="--", linewidth=1.2, label=label)
    axes.set(title=name, xlabel="step", ylabel=axis_label(name))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    fit_range(axes, name, [line for split, line in series.items() if split != "batch"], test)


def add_legend(axes: "Axes", *, is_reversed: bool = False) -> None:
    """Add a legend in the right corner that rising or falling curves leave free; none without curves."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        curves = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
        ends = [values[np.isfinite(values)][[0, -1]] for values in curves if np.isfinite(values).any()]
        rises = sum(last - first for first, last in ends) > 0
        place = "lower right" if rises else "upper right"
        axes.legend(handles, labels, loc=place, reverse=is_reversed)


def fit_range(axes: "Axes", name: str, series: Sequence[Series], level: float | None = None) -> None:
    """Use a logarithmic axis for a factor above ten; show percentages without their steep beginning."""
    from matplotlib.ticker import LogLocator, NullLocator

    steps = np.concatenate([line.steps for line in series])
    values = np.concatenate([scaled(name, line.values) for line in series])
    finite = np.isfinite(values)
    if not finite.any():
        return
    if is_percentage(name):
        late = values[finite & (steps >= 0.1 * steps.max())]
        shown = late if len(late) > 1 else values[finite]
        if level is not None:
            shown = np.append(shown, scaled(name, level))
        span = max(shown.max() - shown.min(), 1.0)
        # Room for the legend below, and up to 100 % only if the curves get there.
        axes.set_ylim(shown.min() - 0.4 * span, min(shown.max() + 0.1 * span, 100 + 0.05 * span))
    elif values[finite].min() > 0 and values[finite].max() > 10 * values[finite].min():
        log_scale(axes, "y")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")


def log_scale(axes: "Axes", axis: Literal["x", "y"], base: float = 10) -> None:
    """Make an axis logarithmic; the labels of its ticks are plain numbers, not mathematics."""
    from matplotlib.ticker import LogFormatter

    set_scale, ticks = (axes.set_xscale, axes.xaxis) if axis == "x" else (axes.set_yscale, axes.yaxis)
    set_scale("log", base=base)
    ticks.set_major_formatter(LogFormatter(base))
    ticks.set_minor_formatter(LogFormatter(base))


def scaled(name: str, values: Any) -> Any:
    """Values of a metric as drawn: accuracies in percent."""
    return 100 * values if is_percentage(name) else values


def scale_of(values: Sequence[Any]) -> Literal["log", "linear", "names"]:
    """The scale of an axis for values of a config key."""
    if not values or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        return "names"
    low, high = min(values), max(values)
    return "log" if low > 0 and high >= LOG_SCALE_FACTOR * low else "linear"


def axis_label(name: str, split: str = "") -> str:
    """The label of a metric's axis, with its unit."""
    return f"{split} {name}".strip() + (" (%)" if is_percentage(name) else "")
