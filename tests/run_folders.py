"""Small run folders and sweep folders, written without training."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]


def write_lines(file: Path, rows: Sequence[Row]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def config_of(changes: Row) -> dict[str, Row]:
    """Return the sections of a config, with changes by dotted key."""
    keys = {
        "model.cell": "lstm",
        "model.hidden_size": 32,
        "optimizer.learning_rate": 0.004,
        "optimizer.clip_norm": None,
        "task.name": "classification",
        "dataset.name": "digits",
        "train.seed": 0,
        **changes,
    }
    sections: dict[str, Row] = {}
    for key, value in keys.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return sections


def learning(steps: int, every: int, final: float, random: np.random.Generator) -> list[Row]:
    """Return logged metrics: train at every `every`-th step, validation at every fifth of these."""
    rows = []
    for step in range(every, steps + 1, every):
        rise = 1 - math.exp(-5 * step / steps)
        for split in ("train", "validation") if step % (5 * every) == 0 else ("train",):
            accuracy = float(np.clip(final * rise + random.normal(scale=0.01), 0, 1))
            rows.append({"step": step, "split": split, "accuracy": accuracy, "loss": 2.3 * (1.02 - accuracy)})
    return rows


def write_run(
    folder: Path,
    changes: Row | None = None,
    *,
    final: float = 0.9,
    steps: int = 1000,
    every: int = 10,
    status: str = "finished",
    seed: int = 0,
    summary: Row | None = None,
) -> Path:
    """Write a run folder with config, metrics and summary, and return it."""
    rows = learning(steps, every, final, np.random.default_rng(seed))
    evaluations = [row for row in rows if row["split"] == "validation"]
    best = max(evaluations, key=lambda row: row["accuracy"])
    content = {
        "status": status,
        "step": steps,
        "best": {key: best[key] for key in ("step", "accuracy", "loss")},
        "test": {"loss": 0.5, "accuracy": final - 0.01} if status == "finished" else None,
        "wall_seconds": 75.0,
        "examples_per_second": 12345.6,
        "parameters": 5578,
        "dataset": {"name": "digits", "version": "1.0.0", "train": 1257, "validation": 180, "test": 360},
        "objective": [{"metric": "accuracy", "direction": "max"}],
        "devices": "1 × CPU",
        "versions": {"jax": "0.10.2", "python": "3.11.7"},
        "commit": "0123abc",
        **(summary or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"format": 2, "plugins": {}, **config_of(changes or {})}))
    (folder / "summary.json").write_text(json.dumps(content))
    write_lines(folder / "metrics.jsonl", rows)
    return folder


def write_sweep(folder: Path, points: Sequence[Row], *, trials: bool = False, **run: Any) -> Path:
    """Write a sweep folder with a member, or a trial, per point (keys by dotted name), and return it."""
    rows = []
    for number, point in enumerate(points):
        place = f"trials/{number:06x}" if trials else f"members/{number}"
        final = 0.95 - abs(math.log10(point.get("optimizer.learning_rate", 3e-3) / 3e-3)) / 3
        write_run(folder / place, point, **{"final": final, "seed": number, **run})
        summary = json.loads((folder / place / "summary.json").read_text())
        own = {"folder": place, "trial": number} if trials else {}
        rows.append({"member": number, **own, "point": point, "seed": point.get("train.seed", 0), **summary})
    content = {"config": "configs/digits.py", "base": config_of({}), "typed": [], "sweep": {"seeds": 1}}
    (folder / "sweep.json").write_text(json.dumps(content))
    write_lines(folder / "results.jsonl", rows)
    return folder
