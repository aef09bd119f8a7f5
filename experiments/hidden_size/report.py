"""The table and the figure of this experiment, from results.jsonl."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import records
from records import Column, Record

from rnn_jax.reporting.charts import log_scale, new_figure, styled

SIZE, RATE = "model.hidden_size", "optimizer.learning_rate"
RATES = (2e-3, 6e-3, 1.8e-2)


def _at(rate: float) -> Callable[[Sequence[Record]], str]:
    def text(rows: Sequence[Record]) -> str:
        return records.percent("best.accuracy")([row for row in rows if row["overrides"][RATE] == rate])

    return text


def _by_size(rows: Sequence[Record]) -> str:
    sizes = dict.fromkeys(row["overrides"][SIZE] for row in rows)
    columns = [
        Column("units", lambda group: str(group[0]["overrides"][SIZE])),
        Column("parameters", records.spread("parameters")),
        *(Column(f"at {rate:g}", _at(rate)) for rate in RATES),
    ]
    lines = [
        f"| {' | '.join(column.heading for column in columns)} |",
        "|---|" + "---:|" * (len(columns) - 1),
    ]
    for size in sizes:
        group = [row for row in rows if row["overrides"][SIZE] == size]
        lines.append(f"| {' | '.join(column.text(group) for column in columns)} |")
    return "\n".join(lines)


TABLES = {"hidden_size": _by_size}


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png: validation accuracy by hidden size, a line per learning rate."""
    rows = records.latest(records.read(folder / "results.jsonl"))
    rows = [row for row in rows if row["best"] is not None]
    figure = new_figure(7, 4.4)
    axes = figure.add_subplot()
    for rate, colour in zip(RATES, ("#7fa8d6", "#3b6fb6", "#e0752d"), strict=True):
        own = [row for row in rows if row["overrides"][RATE] == rate]
        sizes = sorted({row["overrides"][SIZE] for row in own})
        means = [
            statistics.mean(100 * row["best"]["accuracy"] for row in own if row["overrides"][SIZE] == size)
            for size in sizes
        ]
        axes.plot(sizes, means, color=colour, marker="o", label=f"learning rate {rate:g}")
    log_scale(axes, "x", base=2)
    sizes = sorted({row["overrides"][SIZE] for row in rows})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel("units")
    axes.set_ylabel("validation accuracy (%)")
    if rows:
        axes.legend()
    path = folder / "figure.png"
    figure.savefig(path)
    return path
