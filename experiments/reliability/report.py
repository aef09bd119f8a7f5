"""The table of this experiment, made of results.jsonl."""

from collections.abc import Sequence
from pathlib import Path

from run import SERIES

from rnn_jax.reporting.formatting import format_seconds
from rnn_jax.reporting.records import Record

SAID = ("command", "tried", "violations", "seconds", "hardware", "date", "commit", "series")
"""What every record has."""


def reliability(rows: Sequence[Record]) -> str:
    """The newest record of each series."""
    newest = {row["series"]: row for row in rows}
    lines = ["| trials | tried | violations | what else was seen | time |", "|---|---:|---:|---|---:|"]
    for name, title in SERIES.items():
        if name not in newest:
            continue
        row = newest[name]
        seen = [f"{key} {_text(value)}" for key, value in row.items() if key not in SAID]
        cells = [f"{title} (`{name}`)", f"{row['tried']:,}", f"{len(row['violations'])}"]
        cells += ["; ".join(seen), format_seconds(row["seconds"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(folder: Path) -> None:
    """There is no picture here."""
    del folder


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


TABLES = {"reliability": reliability}
