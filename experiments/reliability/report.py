"""The table of the endurance trials in tests/endurance, from results.jsonl."""

from collections.abc import Sequence
from pathlib import Path

from records import Record

from rnn_jax.reporting.formatting import format_seconds

SERIES = {
    "kills": "`kill -9` at random times, also during saves",
    "stops": "signals at random steps and during evaluations",
    "signals": "every signal in every phase of a run",
    "flips": "damaged checkpoints",
    "policy": "retention policy compared with brute force",
    "disk": "full disk at random writes",
    "bad_configs": "wrong configs and commands",
    "mutations": "damaged data files",
    "study_postgres": "killed workers of one study, PostgreSQL",
    "study_sqlite": "killed workers of one study, SQLite",
    "cost": "cost of saving and verifying",
}

OTHERS = ("command", "tried", "violations", "seconds", "hardware", "date", "commit", "series", "seed")
"""Fields of a record that are not measurements."""


def reliability(rows: Sequence[Record]) -> str:
    """Return a row per series, from its newest record."""
    newest = {row["series"]: row for row in rows}
    lines = ["| series | trials | violations | measurements | time |", "|---|---:|---:|---|---:|"]
    for name, title in SERIES.items():
        if name not in newest:
            continue
        row = newest[name]
        measured = [f"{key}: {_text(value)}" for key, value in row.items() if key not in OTHERS]
        cells = [f"{title} (`{name}`)", f"{row['tried']:,}", f"{len(row['violations'])}"]
        cells += ["; ".join(measured), format_seconds(row["seconds"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(folder: Path) -> None:
    """Draw nothing: this experiment has no figure."""
    del folder


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


TABLES = {"reliability": reliability}
