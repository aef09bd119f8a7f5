"""The table and the figure of this experiment, from results.jsonl."""

import statistics
from pathlib import Path

import records
from records import Column

from rnn_jax.reporting.charts import log_scale, new_figure, styled

RATE = "optimizer.learning_rate"
TABLES = {
    "learning_rate": lambda rows: records.table(
        rows,
        [
            Column("learning rate", lambda group: f"{group[0]['overrides'][RATE]:g}"),
            Column("validation accuracy", records.percent("best.accuracy")),
            Column("validation loss", records.spread("best.loss", digits=4)),
            Column("seeds", records.count),
            Column("diverged", lambda group: str(sum(row["status"] == "diverged" for row in group))),
        ],
    )
}


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png: validation accuracy by learning rate, a dot per seed, a line through the means."""
    rows = records.latest(records.read(folder / "results.jsonl"))
    rows = [row for row in rows if row["best"] is not None]
    rates = sorted({row["overrides"][RATE] for row in rows})
    figure = new_figure(7, 4.4)
    axes = figure.add_subplot()
    dots = [(row["overrides"][RATE], 100 * row["best"]["accuracy"]) for row in rows]
    means = [statistics.mean(value for rate, value in dots if rate == one) for one in rates]
    axes.plot([rate for rate, _ in dots], [value for _, value in dots], "o", color="#3b6fb6", alpha=0.6)
    axes.plot(rates, means, color="#e0752d")
    log_scale(axes, "x")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("validation accuracy (%)")
    path = folder / "figure.png"
    figure.savefig(path)
    return path
