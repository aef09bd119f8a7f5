"""The table of endurance trials, from results.jsonl. The trials are in tests/endurance."""

from collections.abc import Sequence
from pathlib import Path

from records import Record

from rnn_jax.reporting.formatting import format_seconds

SERIES = {
    "kills": "kill -9 at random times, inside saves too",
    "stops": "signals at random steps and within evaluations",
    "signals": "every signal in every phase",
    "flips": "checkpoints damaged",
    "policy": "the retention policy against brute force",
    "disk": "a full disk at every write",
    "bad_configs": "wrong configs and commands",
    "mutations": "data files damaged",
    "study_postgres": "workers of one study killed, PostgreSQL",
    "study_sqlite": "workers of one study killed, SQLite",
    "cost": "cost of saving and verifying",
}

COMMON = ("command", "tried", "violations", "seconds", "hardware", "date", "commit", "series")
"""Fields of every record."""


def reliability(rows: Sequence[Record]) -> str:
    """Return the newest record of each series."""
    newest = {row["series"]: row for row in rows}
    lines = ["| trials | tried | violations | measured | time |", "|---|---:|---:|---|---:|"]
    for name, title in SERIES.items():
        if name not in newest:
            continue
        row = newest[name]
        seen = [f"{key} {_text(value)}" for key, value in row.items() if key not in COMMON]
        cells = [f"{title} (`{name}`)", f"{row['tried']:,}", f"{len(row['violations'])}"]
        cells += ["; ".join(seen), format_seconds(row["seconds"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(folder: Path) -> None:
    """There is no figure."""
    del folder


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


TABLES = {"reliability": reliability}
