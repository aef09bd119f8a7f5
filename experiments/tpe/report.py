"""The tables and the figure of this experiment, from its records and those of the learning rates."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import records
from records import Record

from rnn_jax.reporting.charts import log_scale, new_figure, styled

GRID = Path(__file__).resolve().parents[1] / "learning_rate" / "results.jsonl"
RATE, CLIP, DROPOUT = "optimizer.learning_rate", "optimizer.clip_norm", "model.output_dropout"
STUDIES = {
    "share_80": "TPE, worst fifth pruned, seed 0",
    **{f"share_80_seed_{seed}": f"TPE, worst fifth pruned, seed {seed}" for seed in (1, 2, 3, 4)},
    "share_90": "TPE, worst tenth pruned, seed 0",
    "loss": "TPE, objective: loss, worst fifth pruned, seed 0",
    "loss_seed_1": "TPE, objective: loss, worst fifth pruned, seed 1",
}


def tpe(rows: Sequence[Record]) -> str:
    """Return a row for the grid and for each study: training steps, best model, best point."""
    grid = records.latest(records.read(GRID))
    lines = [
        "| search | models | completed | training steps | best model | best point, three seeds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rates = sorted({row["overrides"][RATE] for row in grid})
    by_rate = [[row for row in grid if row["overrides"][RATE] == rate] for rate in rates]
    best_rate = max(by_rate, key=lambda found: statistics.mean(map(_accuracy, found)))
    lines.append(_line("grid of learning rates", grid, best_rate))
    alone = [row for row in rows if row.get("sweep") is None]
    for name, title in STUDIES.items():
        found = [row for row in rows if row.get("sweep") == name]
        winner = _point(min(found, key=_loss) if name.startswith("loss") else max(found, key=_accuracy))
        lines.append(_line(title, found, [row for row in alone if _point(row) == winner]))
    return "\n".join(lines)


def _point(row: Record) -> list[float]:
    return [row["overrides"][key] for key in (RATE, CLIP, DROPOUT)]


def _line(title: str, models: Sequence[Record], best_point: Sequence[Record]) -> str:
    finished = sum(row["status"] == "finished" for row in models)
    steps = sum(row["step"] for row in models)
    best = max(map(_accuracy, models))
    point = "–"
    if len(best_point) > 1:
        values = [100 * _accuracy(row) for row in best_point]
        point = f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} %"
    return f"| {title} | {len(models)} | {finished} | {steps:,} | {100 * best:.2f} % | {point} |"


def _accuracy(row: Record) -> float:
    return (row["best"] or {}).get("accuracy") or 0.0


def _loss(row: Record) -> float:
    return row["best"]["loss"] if row["status"] == "finished" else math.inf


def best_trials(rows: Sequence[Record]) -> str:
    """Return the five best trials of the first study."""
    ranked = sorted((row for row in rows if row.get("sweep") == "share_80"), key=_accuracy, reverse=True)
    lines = [
        "| trial | learning rate | clip norm | dropout | validation accuracy | test accuracy |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in ranked[:5]:
        values = [f"{row['overrides'][key]:.3g}" for key in (RATE, CLIP, DROPOUT)]
        test = "–" if row["test"] is None else f"{100 * row['test']['accuracy']:.2f} %"
        lines.append(f"| {row['trial']} | {' | '.join(values)} | {100 * _accuracy(row):.2f} % | {test} |")
    return "\n".join(lines)


@styled()
def draw(folder: Path) -> Path:
    """Draw figure.png: validation accuracy in the first study by each key, later trials lighter."""
    rows = [row for row in records.read(folder / "results.jsonl") if row.get("sweep") == "share_80"]
    figure = new_figure(10, 3.6)
    for number, (key, name) in enumerate(
        ((RATE, "learning rate"), (CLIP, "clip norm"), (DROPOUT, "dropout"))
    ):
        axes = figure.add_subplot(1, 3, 1 + number)
        for status, marker in (("pruned", "x"), ("finished", "o")):
            chosen = [row for row in rows if row["status"] == status]
            axes.scatter(
                [row["overrides"][key] for row in chosen],
                [100 * _accuracy(row) for row in chosen],
                c=[row["trial"] for row in chosen],
                vmin=0,
                vmax=max(row["trial"] for row in rows),
                marker=marker,
                s=36,
                label="pruned" if status == "pruned" else "completed",
            )
        if key != DROPOUT:
            log_scale(axes, "x")
        axes.set_ylim(bottom=90)
        axes.set_xlabel(name)
        if number == 0:
            axes.set_ylabel("best validation accuracy (%)")
            axes.legend(loc="center left")
    path = folder / "figure.png"
    figure.savefig(path)
    return path


TABLES = {"tpe": tpe, "tpe_best": best_trials}
