"""The tables and the figure of this experiment, from results.jsonl, curves.jsonl and samples/."""

from collections.abc import Sequence
from pathlib import Path

import records
from records import Column, Record

from rnn_jax.reporting.charts import new_figure, styled
from rnn_jax.reporting.log import read_samples

SAMPLES = Path(__file__).parent / "samples"
SHOWN = (1, 2, 5)  # epochs; the last one is shown too
NANOGPT = {"nanoGPT for a CPU": 1.88, "nanoGPT, 10.65 M parameters": 1.4697}
COLOURS = {"configs/shakespeare.py": "#2f9e6e", "configs/shakespeare.py:small": "#3b6fb6"}

COLUMNS = (
    Column("config", records.describe),
    Column("last tenth (nats/character)", records.spread("last_tenth.loss", digits=4)),
    Column("test (nats/character)", records.spread("test.loss", digits=4)),
    Column("test (bits/character)", records.spread("test.bits_per_character", digits=3)),
    Column("parameters", records.spread("parameters")),
    Column("seeds", records.count),
    Column("time", records.duration("wall_seconds")),
    Column("characters/s", records.spread("tokens_per_second")),
    Column("machine", records.machines),
)


def samples(rows: Sequence[Record]) -> str:
    """Return samples of the recommended model after some of its epochs; it is evaluated after each."""
    del rows
    found = list(read_samples(SAMPLES / "default-0.txt").items())
    chosen = [found[epoch - 1] for epoch in SHOWN if epoch < len(found)] + found[-1:]
    parts = []
    for step, text in chosen:
        epoch = [number for number, _ in found].index(step) + 1
        parts.append(f"After epoch {epoch}, step {step:,}:\n\n```text\n{text}\n```")
    return "\n\n".join(parts) or "No samples yet."


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png from curves.jsonl: loss by step, and lines at the losses of nanoGPT."""
    curves = [row for row in records.read(folder / "curves.jsonl") if not row["overrides"]]
    figure = new_figure(8, 4.6)
    axes = figure.add_subplot()
    for row in curves:
        style = {"validation": "-", "train": ":"}[row["split"]]
        label = f"{row['config'].removeprefix('configs/')}, {row['split']}" if row["seed"] == 0 else None
        axes.plot(row["steps"], row["loss"], style, color=COLOURS[row["config"]], label=label, linewidth=1.3)
    for name, loss in NANOGPT.items():
        axes.axhline(loss, color="#7a7a7a", linewidth=0.8, linestyle="--")
        axes.text(
            0.995, loss, name, transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=8
        )
    axes.set(ylim=(1.2, 2.6), xlabel="step", ylabel="loss (nats per character)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if curves:
        axes.legend(loc="upper right")
    path = folder / "figure.png"
    figure.savefig(path)
    return path


TABLES = {"shakespeare": lambda rows: records.table(rows, COLUMNS), "shakespeare_samples": samples}
