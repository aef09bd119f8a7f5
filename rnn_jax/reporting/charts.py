"""How charts look: one style, one way to draw a metric over the steps. pyplot's state is left alone."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from rnn_jax.reporting.formatting import format_metric
from rnn_jax.runtime.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

LEVEL_COLOUR = "#444444"
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
    """A line of a chart: `steps` [points] and `values` [points], NaN where there is a gap."""

    steps: np.ndarray
    values: np.ndarray


def styled(draw: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Lets a function draw in this project's style, and leaves Matplotlib's settings as they were."""

    @functools.wraps(draw)
    def draw_styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return draw_styled


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, outside pyplot: no window, nothing to close."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", path: Path) -> None:
    """Writes a figure as a PNG, whole or not at all.

    Raises:
        StorageError: the disk is full.
        UserError: the file cannot be written.
    """
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png")


def draw_metric(
    axes: "Axes",
    name: str,
    series: Mapping[str, Series],
    colours: Mapping[str, str],
    *,
    faint: str | None = None,
    level: float | None = None,
) -> None:
    """Draws a metric over the steps, a line a series, on axes that show where the curves end up.

    The series `faint` becomes small dots behind the others; `level` is the test figure, a dashed line.
    """
    for label, line in series.items():
        if not np.isfinite(line.values).any():
            continue
        values = scaled(name, line.values)
        if label == faint:
            axes.plot(line.steps, values, ".", color=colours[label], label=label, markersize=3, zorder=1)
        else:
            marker = "o" if len(line.steps) <= 30 else ""
            axes.plot(line.steps, values, color=colours[label], label=label, marker=marker, markersize=3.5)
    if level is not None:
        axes.axhline(
            scaled(name, level),
            color=LEVEL_COLOUR,
            linestyle="--",
            linewidth=1.2,
            label=f"test {format_metric(name, level)}",
        )
    axes.set_title(name)
    axes.set_xlabel("step")
    axes.set_ylabel(f"{name} (%)" if name.endswith("accuracy") else name)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    shown = [line for label, line in series.items() if label != faint]
    fit_range(axes, name, shown, level)


def add_legend(axes: "Axes", name: str) -> None:
    """A legend in the corner that the curves of such a metric leave free; none where nothing was drawn."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right" if name.endswith("accuracy") else "upper right")


def fit_range(axes: "Axes", name: str, series: Sequence[Series], level: float | None = None) -> None:
    """A logarithmic axis for what falls by a factor of ten; percentages without their steep beginning."""
    from matplotlib.ticker import LogLocator, NullLocator

    steps = np.concatenate([line.steps for line in series])
    values = np.concatenate([scaled(name, line.values) for line in series])
    finite = np.isfinite(values)
    if not finite.any():
        return
    if name.endswith("accuracy"):
        late = values[finite & (steps >= 0.1 * steps.max())]
        shown = late if len(late) > 1 else values[finite]
        if level is not None:
            shown = np.append(shown, scaled(name, level))
        span = max(shown.max() - shown.min(), 1.0)
        # Room below for the legend, and up to 100 % only where the curves get there.
        axes.set_ylim(shown.min() - 0.4 * span, min(shown.max() + 0.1 * span, 100 + 0.05 * span))
    elif values[finite].min() > 0 and values[finite].max() > 10 * values[finite].min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")


def scaled(name: str, values: Any) -> Any:
    """The figures of a metric as they are drawn: accuracies in percent."""
    return 100 * values if name.endswith("accuracy") else values
