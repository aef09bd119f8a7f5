"""The report of a sweep: report.md and its plots, from results.jsonl and the members' metrics.

Points are ranked by their mean objective over seeds, keys by their importance.
"""

import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rnn_jax.config.objective import Objective
from rnn_jax.reporting import charts
from rnn_jax.reporting.charts import Series, axis_label, new_figure, save, scaled, styled
from rnn_jax.reporting.formatting import format_spread, in_order, one_line, scalars, short_label
from rnn_jax.reporting.log import read_lines
from rnn_jax.reporting.sweep_points import (
    FAILED,
    Point,
    Ranked,
    RankedPoint,
    Row,
    importances,
    rank_points,
    winners,
)
from rnn_jax.runtime.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 50  # of the table
MAX_CURVES, MAX_LABELS, MAX_TICKS = 40, 5, 6  # of a plot
MAX_TICK, MAX_LETTERS = 24, 40  # characters of a tick's label, and of all below an axis


def write(
    folder: Path, rows: Sequence[Row], objective: Objective, command_of: Callable[[Point], str]
) -> Path:
    """Write report.md and its plots into a sweep folder, and return its path.

    `rows` are those of its results.jsonl, ranked by `objective`; `command_of` returns the command that trains
    a point alone.
    """
    ranked, keys = rank_points(rows, objective), list(rows[0]["point"])
    is_one = len({found.benchmark for found in ranked}) == 1
    text = ["# Sweep\n", *(_winner(best, objective, command_of, is_one) for best in winners(ranked))]
    text += ["## Points, best first\n", table(ranked, keys, objective) + "\n"]
    if failures := [row for row in rows if row["status"] in FAILED]:
        text.append("## Without a result\n")
        for row in failures:
            who = f"member {row['member']} ({_text(row['point'])}, seed {row['seed']})"
            text.append(f"- {who}: {_plain(row['reason'])}")
        text.append("")
    if known := [found for found in ranked if found.values]:
        plots = [_plot_curves(folder, known, objective), _plot_keys(folder, known, keys, objective)]
        important = importances(known, keys)
        if len(keys) > 1:
            plots.append(_plot_pair(folder, known, list(important)[:2], objective))
        text += ["## Plots\n", *(f"![{path.stem}]({path.name})\n" for path in plots)]
        if len(keys) > 1 and is_one:
            shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in important.items())
            text.append(f"Each key alone explains, of the variance of {objective.metric}: {shares}.\n")
    # A path in the command may have bytes that are no UTF-8.
    write_text(folder / "report.md", "\n".join(text).encode("utf-8", "replace").decode())
    return folder / "report.md"


def table(ranked: Ranked, keys: Sequence[str], objective: Objective) -> str:
    """A Markdown table with a line per point: mean ± standard deviation over its seeds."""
    bests = [[row["best"] for row in found.counted if row["best"] is not None] for found in ranked]
    first = scalars(next((best[0] for best in bests if best), {}))
    names = in_order([*(name for name in first if name != "step"), objective.metric])
    data = ["data"] if len({found.benchmark for found in ranked}) > 1 else []
    heads = [*data, *keys, *(f"validation {name}" for name in names), "best step", "members"]
    texts = len(data) + len(keys)
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * texts}{'---:|' * (len(names) + 2)}"]
    for found, best in zip(ranked[:MAX_ROWS], bests, strict=False):
        statuses = Counter(row["status"] for row in found.rows)
        counts = [f"{count} {status}" for status, count in statuses.items()]
        cells = [
            *(_plain(found.benchmark.details) for _ in data if found.benchmark is not None),
            *(_plain(found.point[key]) for key in keys),
            *(_spread(name, best) for name in names),
            f"{statistics.mean(row['step'] for row in best):,.0f}" if best else "–",
            ", ".join(counts + [f"{found.repeated} repeated"] * (found.repeated > 0)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if len(ranked) > MAX_ROWS:
        lines.append(f"\nand {len(ranked) - MAX_ROWS} more, in results.jsonl")
    return "\n".join(lines)


def _winner(best: RankedPoint, objective: Objective, command_of: Callable[[Point], str], is_one: bool) -> str:
    """The paragraphs on the best point, with its data unless there `is_one` data set."""
    data = "" if is_one or best.benchmark is None else f" on {_plain(best.benchmark.details)}"
    if not best.has_result:
        return f"**No member has a result{data}: all diverged, failed, or have no metric.**\n"
    name = objective.metric
    lines = [f"**Best by validation{data}:** {_text(best.point)}: {name} {format_spread(name, best.values)}."]
    if tests := [row["test"] for row in best.counted if row["test"] is not None]:
        metrics = ", ".join(f"{name} {_spread(name, tests)}" for name in in_order(scalars(tests[0])))
        lines.append(f"On test, evaluated for the winner only: {metrics}.")
    return "\n".join([*lines, "", "To train it alone:", "", f"    {command_of(best.point)}", ""])


def _spread(name: str, metrics: Sequence[Row]) -> str:
    return format_spread(name, [each[name] for each in metrics if each[name] is not None])


def _text(point: Row) -> str:
    return ", ".join(f"{key} = {_plain(value)}" for key, value in point.items())


def _plain(value: object) -> str:
    """A value as text in a line of Markdown, none of whose characters is markup."""
    return re.sub(r"([\\|<*`~]|(?<!\w)_|_(?!\w))", r"\\\1", one_line(str(value)))


@styled()
def _plot_curves(folder: Path, ranked: Ranked, objective: Objective) -> Path:
    """Validation over the steps, a line per member; labels for the best points, axes for the better half."""
    from matplotlib import colormaps

    name, shown = objective.metric, ranked[:MAX_CURVES]
    figure = new_figure(8, 4.8)
    axes = figure.add_subplot()
    better = list[Series]()
    for place, found in reversed(list(enumerate(shown))):
        values = (f"{key.partition('.')[2]} {short_label(value)}" for key, value in found.point.items())
        label = ", ".join(values)
        colour = colormaps["viridis"](place / max(1, len(shown) - 1))
        style = {"color": colour, "linewidth": 1.2, "zorder": 3 - place / len(shown)}
        for number, row in enumerate(found.rows):
            metrics = folder / (row.get("folder") or f"members/{row['member']}") / "metrics.jsonl"
            curve = charts.series_of(read_lines(metrics), "validation", name)
            known = ~np.isnan(curve.values)
            curve = Series(curve.steps[known], curve.values[known])
            style["label"] = label if place < MAX_LABELS and number == 0 else None
            axes.plot(curve.steps, scaled(name, curve.values), **style)
            if place <= len(shown) // 2:
                better.append(curve)
    title = f"validation {name}, a line per member, best points darkest"
    axes.set(title=title, xlabel="step", ylabel=axis_label(name))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    charts.fit_range(axes, name, better)
    charts.add_legend(axes, is_reversed=True)
    return save(figure, folder / "curves.png")


@styled()
def _plot_keys(folder: Path, ranked: Ranked, keys: Sequence[str], objective: Objective) -> Path:
    """The objective of every member against each key of the sweep."""
    figure = new_figure(4.6 * len(keys), 4.2)
    for number, key in enumerate(keys):
        axes = figure.add_subplot(1, len(keys), 1 + number)
        places = _positions(axes, [found.point[key] for found in ranked for _ in found.values], "x")
        heights = scaled(objective.metric, np.array([value for found in ranked for value in found.values]))
        axes.plot(places, heights, "o", color="#3b6fb6", alpha=0.6)
        axes.set(xlabel=key, ylabel=axis_label(objective.metric, "validation"))
    return save(figure, folder / "keys.png")


@styled()
def _plot_pair(folder: Path, ranked: Ranked, keys: Sequence[str], objective: Objective) -> Path:
    """The two most important keys, with the objective as colour; the worst fifth has the last colour."""
    ranked = ranked[::-1]  # the best on top
    figure = new_figure(6.4, 4.8)
    axes = figure.add_subplot()
    x = _positions(axes, [found.point[keys[0]] for found in ranked], "x")
    y = _positions(axes, [found.point[keys[1]] for found in ranked], "y")
    colours = scaled(objective.metric, np.array([found.mean for found in ranked]))
    low = np.quantile(colours, 0.2) if objective.direction == "max" else None
    high = np.quantile(colours, 0.8) if objective.direction == "min" else None
    dots = axes.scatter(x, y, c=colours, vmin=low, vmax=high, s=90, edgecolors="#444444", linewidths=0.5)
    figure.colorbar(dots, label=axis_label(objective.metric, "validation"))
    axes.set(xlabel=keys[0], ylabel=keys[1])
    return save(figure, folder / "pair.png")


def _positions(axes: "Axes", values: Sequence[Any], axis: Literal["x", "y"]) -> list[float]:
    """The positions of values on the 'x' or 'y' axis, which is made linear, logarithmic or one of names."""
    ticks = axes.set_xticks if axis == "x" else axes.set_yticks
    kind = charts.scale_of(values)
    if kind == "names":
        names = list(dict.fromkeys(map(str, values)))
        labels = [short_label(name, MAX_TICK) for name in names]
        is_crowded = axis == "x" and sum(map(len, labels)) > MAX_LETTERS
        ticks(range(len(names)), labels, rotation=90 if is_crowded else 0)
        return [float(names.index(str(value))) for value in values]
    if kind == "log":
        charts.log_scale(axes, axis)
    distinct = sorted(set(values))
    if len(distinct) <= MAX_TICKS:
        ticks([], minor=True)
        ticks(distinct, [f"{value:g}" for value in distinct])
    return [float(value) for value in values]
