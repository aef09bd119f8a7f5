"""The table and the picture of this experiment, made of its results.jsonl and that of the learning rates."""

from collections.abc import Sequence
from pathlib import Path

from rnn_jax.reporting import records
from rnn_jax.reporting.charts import new_figure, styled
from rnn_jax.reporting.records import Record

GRID = Path(__file__).resolve().parents[1] / "learning_rate" / "results.jsonl"
RATE, CLIP, DROPOUT = "optimizer.learning_rate", "optimizer.clip", "model.output_dropout"


def tpe(rows: Sequence[Record]) -> str:
    """The grid and the study: what they took, and what they found."""
    lines = [
        "| | models | to the end | steps of training | best validation accuracy | its test accuracy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in (("grid of learning rates, three seeds each", records.read(GRID)), ("TPE", rows)):
        best = max((row for row in found if row["best"] is not None), key=lambda row: row["best"]["accuracy"])
        tested = "–" if best["test"] is None else f"{100 * best['test']['accuracy']:.2f} %"
        finished = sum(row["status"] == "finished" for row in found)
        steps = sum(row["step"] for row in found)
        accuracy = f"{100 * best['best']['accuracy']:.2f} %"
        lines.append(f"| {name} | {len(found)} | {finished} | {steps:,} | {accuracy} | {tested} |")
    return "\n".join(lines)


def best_trials(rows: Sequence[Record]) -> str:
    """The five best trials."""
    ranked = sorted(rows, key=lambda row: -(row["best"] or {}).get("accuracy", 0))
    lines = [
        "| trial | learning rate | clip | dropout | validation accuracy |",
        "|---:|---:|---:|---:|---:|",
    ]
    for row in ranked[:5]:
        values = [f"{row['overrides'][key]:.3g}" for key in (RATE, CLIP, DROPOUT)]
        lines.append(f"| {row['trial']} | {' | '.join(values)} | {100 * row['best']['accuracy']:.2f} % |")
    return "\n".join(lines)


@styled
def draw(folder: Path) -> Path:
    """Draws figure.png: validation accuracy over each key, in the order of trials by colour."""
    rows = [row for row in records.read(folder / "results.jsonl") if row["best"] is not None]
    figure = new_figure(10, 3.6)
    for number, (key, name) in enumerate(((RATE, "learning rate"), (CLIP, "clip"), (DROPOUT, "dropout"))):
        axes = figure.add_subplot(1, 3, 1 + number)
        for status, marker in (("pruned", "x"), ("finished", "o")):
            chosen = [row for row in rows if row["status"] == status]
            dots = axes.scatter(
                [row["overrides"][key] for row in chosen],
                [100 * row["best"]["accuracy"] for row in chosen],
                c=[row["trial"] for row in chosen],
                vmin=0,
                vmax=len(rows),
                marker=marker,
                s=36,
                label=status,
            )
        if key != DROPOUT:
            axes.set_xscale("log")
        axes.set_ylim(bottom=90)
        axes.set_xlabel(name)
        if number == 0:
            axes.set_ylabel("best validation accuracy (%)")
            axes.legend(loc="lower right")
    figure.colorbar(dots, ax=figure.axes, label="trial")
    path = folder / "figure.png"
    figure.savefig(path)
    return path


TABLES = {"tpe": tpe, "tpe_best": best_trials}
