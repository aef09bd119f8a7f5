"""The table and the figure of this experiment, from results.jsonl and curves.jsonl."""

from collections.abc import Sequence
from pathlib import Path

import records
from records import Column, Record

from rnn_jax.reporting.charts import new_figure, styled

COLUMNS = (
    Column("config", records.describe),
    Column("test accuracy", records.percent("test.accuracy")),
    Column("validation accuracy", records.percent("best.accuracy")),
    Column("seeds", records.count),
    Column("parameters", records.spread("parameters")),
    Column("reviews/s", records.spread("examples_per_second")),
    Column("time", records.duration("wall_seconds")),
    Column("machine", records.machines),
)
COLOURS = {"configs/imdb.py": "#3b6fb6", "configs/imdb.py:padded": "#7a7a7a"}


def table(rows: Sequence[Record]) -> str:
    """Return the table of results, a row per config, in alphabetical order."""
    return records.table(sorted(rows, key=lambda row: (row["config"], row["seed"])), COLUMNS)


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png from curves.jsonl: error by step, a line per seed and split."""
    figure = new_figure(8, 4.4)
    axes = figure.add_subplot()
    for row in records.read(folder / "curves.jsonl"):
        errors = [100 * (1 - value) for value in row["accuracy"]]
        name = row["config"].removeprefix("configs/")
        axes.plot(
            row["steps"],
            errors,
            {"validation": "o-", "train": ":"}[row["split"]],
            color=COLOURS[row["config"]],
            label=f"{name}, {row['split']}" if row["seed"] == 0 else None,
            linewidth=1.3,
            markersize=3.5,
        )
    axes.set(yscale="log", xlabel="step", ylabel="error (%)")
    ticks = [2, 5, 10, 20, 50]
    axes.set_yticks(ticks, labels=[str(tick) for tick in ticks])
    axes.yaxis.set_minor_formatter("")
    if axes.lines:
        axes.legend(loc="lower left")
    path = folder / "figure.png"
    figure.savefig(path)
    return path


TABLES = {"imdb": table}
