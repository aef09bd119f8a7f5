"""The table and the figure of this experiment, from results.jsonl and curves.jsonl."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import records
from records import Record

from rnn_jax.reporting.charts import new_figure, styled

RATE, CLIP = "optimizer.learning_rate", "optimizer.clip_norm"


def _of(rows: Sequence[Record], sweep: str) -> list[Record]:
    return [row for row in rows if row["sweep"] == sweep]


def _accuracy(row: Record) -> float:
    return row["best"]["accuracy"] if row["best"] is not None else 0.0


def _seeds(rows: Sequence[Record]) -> list[int]:
    return sorted({row["seed"] for row in rows if _of(rows, f"halving-{row['seed']}")})


def _by_seed(rows: Sequence[Record]) -> str:
    """Return a row per seed: the best point of halving, and its rank in the full grid (ties share a rank)."""
    lines = [
        "| seed | best point of halving: learning rate, clip norm | its accuracy | its rank in the full grid "
        "| best accuracy of the grid | steps of halving | share of the grid's steps |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    shares = []
    for seed in _seeds(rows):
        full, halved = _of(rows, f"full-{seed}"), _of(rows, f"halving-{seed}")
        chosen = max(halved, key=_accuracy)
        alike = next(row for row in full if row["overrides"] == chosen["overrides"])
        place = 1 + sum(_accuracy(row) > _accuracy(alike) for row in full)
        steps = sum(row["step"] for row in halved)
        shares.append(steps / sum(row["step"] for row in full))
        point = f"{chosen['overrides'][RATE]:g}, {chosen['overrides'][CLIP]:g}"
        best = max(map(_accuracy, full))
        cells = [seed, point, f"{100 * _accuracy(chosen):.2f} %", place, f"{100 * best:.2f} %", f"{steps:,}"]
        lines.append(f"| {' | '.join(map(str, cells))} | {100 * shares[-1]:.0f} % |")
    return "\n".join(lines)


TABLES = {"successive_halving": _by_seed}


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png: the curves of the full grid in grey, and those of halving over them."""
    curves = records.read(folder / "curves.jsonl")
    figure = new_figure(8, 4.8)
    axes = figure.add_subplot()
    for curve in curves:
        if curve["sweep"] in ("full-0", "halving-0"):
            halved = curve["sweep"].startswith("halving")
            values = [100 * value for value in curve["accuracy"]]
            colour, width = ("#e0752d", 1.8) if halved else ("#cccccc", 1.2)
            axes.plot(curve["steps"], values, color=colour, linewidth=width, zorder=3 if halved else 2)
    ends = [100 * curve["accuracy"][-1] for curve in curves if curve["sweep"] == "full-0"]
    if ends:
        middle = statistics.median(ends)
        low = max(0.0, middle - 3 * (max(ends) - middle))
        axes.set_ylim(low, max(ends) + 0.1 * (max(ends) - low))
    axes.set_title("24 points of one seed: the full grid (grey) and halving")
    axes.set_xlabel("step")
    axes.set_ylabel("validation accuracy (%)")
    path = folder / "figure.png"
    figure.savefig(path)
    return path
