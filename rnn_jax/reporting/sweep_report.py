"""The report of a sweep: report.md and its pictures, made of results.jsonl and the members' metrics."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.charts import Series, fit_range, new_figure, save, scaled, styled
from rnn_jax.reporting.formatting import format_spread, in_order
from rnn_jax.reporting.importance import importances
from rnn_jax.reporting.log import read_lines
from rnn_jax.reporting.ranking import Ranked, points
from rnn_jax.runtime.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]
MOST_ROWS = 50  # of the table
MOST_CURVES = 40
MOST_NAMED = 5
MOST_TICKS = 6
FACTOR_OF_LOGARITHMS = 5  # values that span more get a logarithmic axis


def write(folder: Path, rows: Sequence[Row], objective: Objective, command: str) -> Path:
    """Writes report.md into a sweep's folder, with its pictures, and returns its path.

    Args:
        folder: the sweep's.
        rows: of its results.jsonl.
        objective: the validation metric that decides.
        command: what trains the winner alone.
    """
    ranked, keys = points(rows, objective), list(rows[0]["point"])
    known = [found for found in ranked if found.values]
    important = importances(known, keys)
    pictures = (
        [_draw_curves(folder, known, objective), _draw_keys(folder, known, keys, objective)] if known else []
    )
    if len(keys) > 1 and known:
        pictures.append(_draw_pair(folder, known, list(important)[:2], objective))
    text = [
        "# Sweep\n",
        _winner(ranked[0], objective, command),
        f"## Points, best first\n\n{table(ranked, keys, objective)}\n",
        _without_result(rows),
        "## Pictures\n" if pictures else "",
        *(f"![{path.stem}]({path.name})\n" for path in pictures),
    ]
    if len(keys) > 1 and known:
        shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in important.items())
        text.append(
            f"Of the variation of the {objective.metric} between points, each key alone explains: {shares}.\n"
        )
    path = folder / "report.md"
    write_text(path, "\n".join(part for part in text if part))
    return path


def table(ranked: Sequence[Ranked], keys: Sequence[str], objective: Objective) -> str:
    """A Markdown table with a line a point: mean ± standard deviation over its seeds."""
    names = in_order([*_figures(ranked), objective.metric])
    heads = [*keys, *(f"validation {name}" for name in names), "best step", "members"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(keys)}{'---:|' * (len(names) + 2)}"]
    for found in ranked[:MOST_ROWS]:
        bests = [row["best"] for row in found.rows if row["best"] is not None]
        cells = [f"{found.point[key]}" for key in keys]
        cells += [
            format_spread(name, [best[name] for best in bests if best[name] is not None]) for name in names
        ]
        cells.append(f"{statistics.mean(best['step'] for best in bests):,.0f}" if bests else "–")
        cells.append(_how_many(found))
        lines.append(f"| {' | '.join(cells)} |")
    if len(ranked) > MOST_ROWS:
        lines.append(f"\nand {len(ranked) - MOST_ROWS} more, in results.jsonl")
    return "\n".join(lines)


def _how_many(found: Ranked) -> str:
    """The members of a point, and which of them did not come to the last step."""
    ends = Counter(row["status"] for row in found.rows)
    return ", ".join(f"{count} {status}" for status, count in ends.items())


def _winner(best: Ranked, objective: Objective, command: str) -> str:
    if not best.has_result:
        return "**No member came to a result: all diverged, failed, or had no figure.**\n"
    point = ", ".join(f"{key} = {value}" for key, value in best.point.items())
    lines = [
        f"**Best by validation:** {point}: {objective.metric} {format_spread(objective.metric, best.values)}."
    ]
    tests = [row["test"] for row in best.rows if row["test"] is not None]
    if tests:
        figures = ", ".join(
            f"{name} {format_spread(name, [test[name] for test in tests if test[name] is not None])}"
            for name in in_order(tests[0])
        )
        lines.append(f"On test, which was looked at for the winner alone: {figures}.")
    return "\n".join([*lines, "", "Alone, it is", "", f"    {command}", ""])


def _without_result(rows: Sequence[Row]) -> str:
    lines = [
        f"- member {row['member']} ({', '.join(f'{k} = {v}' for k, v in row['point'].items())}, "
        f"seed {row['seed']}): {row['reason']}"
        for row in rows
        if row["status"] in ("diverged", "failed")
    ]
    return "\n".join(["## Without a result\n", *lines, ""]) if lines else ""


def _figures(ranked: Sequence[Ranked]) -> list[str]:
    bests = [row["best"] for found in ranked for row in found.rows if row["best"] is not None]
    return [name for name in bests[0] if name != "step"] if bests else []


@styled
def _draw_curves(folder: Path, ranked: Sequence[Ranked], objective: Objective) -> Path:
    """Validation over the steps, a line a member; the best points named, the better half fitted."""
    from matplotlib import colormaps

    name, shown = objective.metric, ranked[:MOST_CURVES]
    figure = new_figure(8, 4.8)
    axes = figure.add_subplot()
    better = list[Series]()
    for place, found in reversed(list(enumerate(shown))):
        colour = colormaps["viridis"](place / max(1, len(shown) - 1))
        label = ", ".join(f"{key.partition('.')[2]} {value}" for key, value in found.point.items())
        for number, row in enumerate(found.rows):
            curve = _validation(folder / _place(row) / "metrics.jsonl", name)
            named = label if place < MOST_NAMED and number == 0 else None
            axes.plot(
                curve.steps,
                scaled(name, curve.values),
                color=colour,
                linewidth=1.2,
                label=named,
                zorder=3 - place / len(shown),
            )
            if place <= len(shown) // 2:
                better.append(curve)
    axes.set_title(f"validation {name}, a line a member, best points darkest")
    axes.set_xlabel("step")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _name_values(axes, name)
    fit_range(axes, name, better)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        place = "lower right" if name.endswith("accuracy") else "upper right"
        axes.legend(handles[::-1], labels[::-1], loc=place)
    return _saved(figure, folder / "curves.png")


def _place(row: Row) -> str:
    """The run folder of a row, from the sweep's folder on."""
    return row.get("folder") or f"members/{row['member']}"


def _validation(metrics: Path, name: str) -> Series:
    """A member's figures on validation."""
    lines = [line for line in read_lines(metrics) if line["split"] == "validation"]
    lines = [line for line in lines if line[name] is not None]
    return Series(np.array([line["step"] for line in lines]), np.array([line[name] for line in lines]))


@styled
def _draw_keys(folder: Path, ranked: Sequence[Ranked], keys: Sequence[str], objective: Objective) -> Path:
    """The objective of every member over each key that is varied."""
    name = objective.metric
    figure = new_figure(4.6 * len(keys), 4.2)
    for number, key in enumerate(keys):
        axes = figure.add_subplot(1, len(keys), 1 + number)
        pairs = [(found.point[key], value) for found in ranked for value in found.values]
        _scatter(axes, [pair[0] for pair in pairs], scaled(name, np.array([pair[1] for pair in pairs])))
        axes.set_xlabel(key)
        _name_values(axes, f"validation {name}")
    return _saved(figure, folder / "keys.png")


@styled
def _draw_pair(folder: Path, ranked: Sequence[Ranked], keys: Sequence[str], objective: Objective) -> Path:
    """The two most important keys together, the objective as colour."""
    first, second = keys
    known = ranked[::-1]  # the best on top
    figure = new_figure(6.4, 4.8)
    axes = figure.add_subplot()
    columns = [
        _places(axes, [found.point[key] for found in known], way)
        for key, way in ((first, "x"), (second, "y"))
    ]
    colours = scaled(objective.metric, np.array([found.mean for found in known]))
    low = np.quantile(colours, 0.2) if objective.direction == "max" else None
    high = np.quantile(colours, 0.8) if objective.direction == "min" else None
    dots = axes.scatter(*columns, c=colours, vmin=low, vmax=high, s=90, edgecolors="#444444", linewidths=0.5)
    figure.colorbar(
        dots,
        label=f"validation {objective.metric}" + (" (%)" if objective.metric.endswith("accuracy") else ""),
    )
    axes.set_xlabel(first)
    axes.set_ylabel(second)
    return _saved(figure, folder / "pair.png")


def _scatter(axes: "Axes", values: Sequence[Any], heights: np.ndarray) -> None:
    axes.plot(_places(axes, values, "x"), heights, "o", color="#3b6fb6", alpha=0.6)


def _places(axes: "Axes", values: Sequence[Any], way: str) -> list[float]:
    """Where values stand on an axis, which becomes logarithmic where they span much, or one of names."""
    ticks, scale = (axes.set_xticks, axes.set_xscale) if way == "x" else (axes.set_yticks, axes.set_yscale)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        distinct = sorted(set(values))
        if distinct[0] > 0 and distinct[-1] >= FACTOR_OF_LOGARITHMS * distinct[0]:
            scale("log")
        if len(distinct) <= MOST_TICKS:
            ticks([], minor=True)
            ticks(distinct, [f"{value:g}" for value in distinct])
        return [float(value) for value in values]
    names = list(dict.fromkeys(str(value) for value in values))
    ticks(range(len(names)), names)
    return [float(names.index(str(value))) for value in values]


def _name_values(axes: "Axes", name: str) -> None:
    axes.set_ylabel(f"{name} (%)" if name.endswith("accuracy") else name)


def _saved(figure: Any, path: Path) -> Path:
    save(figure, path)
    return path
