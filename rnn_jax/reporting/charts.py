"""The style of charts, and metrics over steps. pyplot's state is left alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from rnn_jax.reporting.formatting import format_metric, is_percentage
from rnn_jax.runtime.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
}


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
    """Write a figure as a PNG and return its path; raise as `replacing`."""
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png")
    return path


def series_of(rows: Sequence[Mapping[str, Any]], split: str, name: str) -> Series:
    """A metric of a split over the steps, from the rows of a metrics.jsonl."""
    found = [row for row in rows if row.get("split") == split and name in row]
    values = [np.nan if row[name] is None else row[name] for row in found]
    return Series(np.array([row["step"] for row in found], dtype=int), np.array(values, dtype=float))


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
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")


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
