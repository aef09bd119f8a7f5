"""Records of experiments: results.jsonl, one JSON object per run, and Markdown tables made from it."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.reporting.formatting import format_seconds
from rnn_jax.reporting.provenance import commit, hardware
from rnn_jax.runtime.errors import UserError

Record = dict[str, Any]

END = "<!-- end -->"


class Column(NamedTuple):
    """A column of a table: its heading, and the text for the records of all seeds."""

    heading: str
    text: Callable[[Sequence[Record]], str]


def record(
    path: Path,
    *,
    summary: Mapping[str, Any],
    config: str,
    overrides: Mapping[str, Any],
    seed: int,
    command: str,
) -> bool:
    """Append a run to a results.jsonl; return False if it has the run from the same commit already.

    Args:
        path: the results.jsonl, created if need be.
        summary: the run's summary.json; its `commit` takes precedence over the current one.
        config: the config with its variants, as for `--config`.
        overrides: values by dotted key (`train.duration_steps`), without seed and folders.
        seed: `train.seed`.
        command: the command that reproduces the run.
    """
    row: Record = {
        "config": config,
        "overrides": dict(overrides),
        "seed": seed,
        "command": command,
        "hardware": {**hardware(), "devices": summary.get("devices")},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        **summary,
    }
    if any(_identity(other) == _identity(row) for other in read(path)):
        return False
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, allow_nan=False) + "\n")
    return True


def read(path: Path) -> list[Record]:
    """Return the records of a results.jsonl; [] if it does not exist."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def find(rows: Sequence[Record], config: str, overrides: Mapping[str, Any], seed: int) -> Record | None:
    """Return the latest record of a run, from any commit; None if it has no record."""
    wanted = (config, dict(overrides), seed)
    return next((row for row in reversed(rows) if _identity(row)[:3] == wanted), None)


def latest(rows: Sequence[Record]) -> list[Record]:
    """Return the latest record of each run, which an older commit may have trained too.

    Records of a config on other data than its latest record's are left out: their metrics are not comparable.
    Rows that are not records of runs are returned as they are.
    """
    found: dict[Any, Record] = {}
    data: dict[str, Any] = {}
    for row in rows:
        found[_run_of(row) if "config" in row else id(row)] = row
        if "config" in row and row.get("dataset"):
            data[_config_of(row)] = row["dataset"]
    return [
        row
        for row in found.values()
        if "config" not in row or not row.get("dataset") or row["dataset"] == data[_config_of(row)]
    ]


def _config_of(row: Record) -> str:
    """Return the config and its overrides, whatever their order."""
    return json.dumps([row["config"], row["overrides"]], sort_keys=True)


def _run_of(row: Record) -> tuple[Any, ...]:
    return _config_of(row), row["seed"], row.get("sweep"), row.get("trial")


def table(rows: Sequence[Record], columns: Sequence[Column]) -> str:
    """Return a Markdown table with a row per config and overrides, from the latest record of each seed."""
    groups: dict[str, dict[int, Record]] = {}
    for row in latest(rows):
        groups.setdefault(_config_of(row), {})[row["seed"]] = row
    lines = [
        "| " + " | ".join(column.heading for column in columns) + " |",
        "|---|" + "---:|" * (len(columns) - 1),
    ]
    for group in groups.values():
        cells = [column.text(list(group.values())) for column in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def describe(rows: Sequence[Record]) -> str:
    """Return the text of a column: the config and the overrides."""
    overrides = "".join(f" {key}={value}" for key, value in rows[0]["overrides"].items())
    return f"`{rows[0]['config']}{overrides}`"


def count(rows: Sequence[Record]) -> str:
    """Return the text of a column: the number of seeds."""
    return str(len(rows))


def spread(
    key: str, *, scale: float = 1, digits: int = 0, unit: str = ""
) -> Callable[[Sequence[Record]], str]:
    """Return a column's function: mean ± sample standard deviation over seeds of the value at a dotted key.

    A dotted key is for instance `test.loss`. The values are multiplied by `scale`. With one seed the text has
    no deviation; without any value it is a dash.
    """

    def text(rows: Sequence[Record]) -> str:
        found = [value for value in (_at(row, key) for row in rows) if value is not None]
        values = [scale * value for value in found]
        if not values:
            return "–"
        mean = f"{statistics.mean(values):,.{digits}f}"
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return f"{mean} ± {deviation:.{digits}f}{unit}" if round(deviation, digits) else f"{mean}{unit}"

    return text


def percent(key: str) -> Callable[[Sequence[Record]], str]:
    """Return a column's function: `spread` of a fraction, in percent."""
    return spread(key, scale=100, digits=2, unit=" %")


def duration(key: str) -> Callable[[Sequence[Record]], str]:
    """Return a column's function: the mean duration, from seconds."""
    return lambda rows: format_seconds(statistics.mean(_at(row, key) for row in rows))


def machines(rows: Sequence[Record]) -> str:
    """Return the text of a column: the processors used, with their number of cores."""
    hardware = ((row["hardware"]["cpu"], row["hardware"]["cores"]) for row in rows)
    return "; ".join(dict.fromkeys(f"{cpu}, {cores} core{'s' * (cores != 1)}" for cpu, cores in hardware))


def replace_table(text: str, name: str, markdown: str) -> str:
    """Replace the text between `<!-- table NAME -->` and `<!-- end -->` with a table.

    Raises:
        UserError: one of the two markers is missing.
    """
    start = f"<!-- table {name} -->"
    before, found_start, rest = text.partition(start)
    _, found_end, after = rest.partition(END)
    if not (found_start and found_end):
        raise UserError(f"no place for table {name}: the text needs a line `{start}` and a line `{END}`")
    return f"{before}{start}\n\n{markdown.strip()}\n\n{END}{after}"


def _identity(row: Record) -> tuple[str, Mapping[str, Any], int, str | None, str | None]:
    """Return the identity of a run: records with equal identities are the same run of the same code."""
    return row["config"], row["overrides"], row["seed"], row["commit"], row.get("sweep")


def _at(row: Record, key: str) -> Any:
    """Return the value at a dotted key; None if a part of it is missing."""
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
