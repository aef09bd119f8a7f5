"""The tables and the figure of this experiment, from results.jsonl and curves.jsonl."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import records
from records import Column, Record

from rnn_jax.reporting.charts import new_figure, styled

# Training, validation and test perplexity that TensorFlow's tutorial reports.
TENSORFLOW = {
    "configs/ptb.py:small": (37.99, 121.39, 115.91),
    "configs/ptb.py:medium": (48.45, 86.16, 82.07),
    "configs/ptb.py:large": (37.87, 82.62, 78.29),
}
COLOURS = {"configs/ptb.py:small": "#3b6fb6", "configs/ptb.py:tied": "#2f9e6e"}


def _train(rows: Sequence[Record]) -> str:
    """Return the training perplexity over the last epoch, as TensorFlow's tutorial computes it."""
    return f"{np.mean([math.exp(row['train']['loss']) for row in rows]):.2f}"


def _reported(rows: Sequence[Record]) -> str:
    found = TENSORFLOW.get(rows[0]["config"])
    return " / ".join(f"{value:.2f}" for value in found) if found else "–"


def _of(brief: bool, columns: Sequence[Column]) -> Callable[[Sequence[Record]], str]:
    return lambda rows: records.table([row for row in rows if bool(row["overrides"]) == brief], columns)


CONFIG = Column("config", lambda rows: f"`{rows[0]['config']}`")
MACHINE = (Column("time", records.duration("wall_seconds")), Column("machine", records.machines))
TABLES = {
    "ptb": _of(
        False,
        [
            CONFIG,
            Column("test", records.spread("test.perplexity", digits=2)),
            Column("validation", records.spread("best.perplexity", digits=2)),
            Column("train", _train),
            Column("TensorFlow's tutorial: train / validation / test", _reported),
            Column("parameters", records.spread("parameters")),
            Column("seeds", records.count),
            *MACHINE,
        ],
    ),
    "ptb_brief": _of(
        True,
        [
            CONFIG,
            Column("parameters", records.spread("parameters")),
            Column("training loss, mean over the 200 steps", records.spread("train.loss", digits=3)),
            Column("validation perplexity after 200 steps", records.spread("best.perplexity", digits=1)),
            Column("words/s", records.spread("tokens_per_second")),
            *MACHINE,
        ],
    ),
}


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png from curves.jsonl: perplexity by step, a colour per config."""
    curves = [row for row in records.read(folder / "curves.jsonl") if not row["overrides"]]
    from matplotlib.ticker import NullLocator

    figure = new_figure(8, 4.6)
    axes = figure.add_subplot()
    for row in curves:
        label = row["config"].partition(":")[2] if row["seed"] == 0 else None
        style = {"validation": "-", "train": ":"}[row["split"]]
        axes.plot(
            row["steps"],
            np.exp(row["loss"]),
            style,
            color=COLOURS.get(row["config"], "#7a7a7a"),
            label=f"{label}, {row['split']}" if label else None,
            linewidth=1.3,
        )
    axes.set(yscale="log", ylim=(30, 400), xlabel="step", ylabel="perplexity")
    ticks = [40, 60, 80, 100, 150, 200, 300]
    axes.set_yticks(ticks, labels=[str(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if axes.lines:
        axes.legend(loc="upper right")
    path = folder / "figure.png"
    figure.savefig(path)
    return path
