"""What experiments keep of their runs: results.jsonl, one JSON object a run, and the tables made of it."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.reporting.formatting import format_seconds
from rnn_jax.runtime.errors import UserError

Record = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
WHAT_RUNS = ("rnn_jax", "configs", "pyproject.toml")
END = "<!-- end -->"


class Column(NamedTuple):
    """A column of a table: its heading, and its text for the records that differ by the seed alone."""

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
    """Appends a run to a results.jsonl; False where it is there already, from the same commit.

    Args:
        path: the results.jsonl; created where it does not exist.
        summary: the run's summary.json, whose `commit` is the one that was run.
        config: the config with its variants, as `--config` takes it.
        overrides: values by dotted key (`train.duration_steps`), without the seed and without folders.
        seed: `train.seed`.
        command: what a reader can type to do it again.
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
    """The records of a results.jsonl; none where there is no such file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def find(rows: Sequence[Record], config: str, overrides: Mapping[str, Any], seed: int) -> Record | None:
    """The newest record of a run, from whichever commit; None where there is none."""
    wanted = (config, dict(overrides), seed)
    return next((row for row in reversed(rows) if _identity(row)[:3] == wanted), None)


def table(rows: Sequence[Record], columns: Sequence[Column]) -> str:
    """A Markdown table with a line for each config and its overrides, over all seeds.

    Of a run that was recorded more than once, the newest record counts.
    """
    groups: dict[str, dict[int, Record]] = {}
    for row in rows:
        groups.setdefault(describe([row]), {})[row["seed"]] = row
    lines = [
        "| " + " | ".join(column.heading for column in columns) + " |",
        "|---|" + "---:|" * (len(columns) - 1),
    ]
    for group in groups.values():
        cells = [column.text(list(group.values())) for column in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def describe(rows: Sequence[Record]) -> str:
    """The config and the overrides that the records share."""
    overrides = "".join(f" {key}={value}" for key, value in rows[0]["overrides"].items())
    return f"`{rows[0]['config']}{overrides}`"


def count(rows: Sequence[Record]) -> str:
    """How many seeds."""
    return str(len(rows))


def spread(
    key: str, *, scale: float = 1, digits: int = 0, unit: str = ""
) -> Callable[[Sequence[Record]], str]:
    """Mean ± sample standard deviation over the seeds of the figure at a dotted key (`test.accuracy`).

    The figures are multiplied by `scale`; a single seed has no deviation, a figure that nobody has is a dash.
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
    """Mean ± sample standard deviation of a share, in percent."""
    return spread(key, scale=100, digits=2, unit=" %")


def duration(key: str) -> Callable[[Sequence[Record]], str]:
    """The mean of seconds, as minutes and seconds."""
    return lambda rows: format_seconds(statistics.mean(_at(row, key) for row in rows))


def machines(rows: Sequence[Record]) -> str:
    """The processors that the records come from, with the cores in use."""
    hardware = (row["hardware"] for row in rows)
    return "; ".join(dict.fromkeys(f"{part['cpu']}, {part['cores']} cores" for part in hardware))


def replace_table(text: str, name: str, markdown: str) -> str:
    """`text` with what stands between `<!-- table NAME -->` and `<!-- end -->` replaced by a table.

    Raises:
        UserError: one of the two markers is missing.
    """
    start = f"<!-- table {name} -->"
    before, found_start, rest = text.partition(start)
    _, found_end, after = rest.partition(END)
    if not (found_start and found_end):
        raise UserError(f"no place for the table {name}: there must be a line `{start}` and a line `{END}`")
    return f"{before}{start}\n\n{markdown.strip()}\n\n{END}{after}"


def hardware() -> dict[str, Any]:
    """The processor's name and how many of its cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _processor(), "cores": cores}


def commit(root: Path = ROOT) -> str | None:
    """The commit of a checkout; '-dirty' is added where the package or the configs differ from it.

    None where the package is not run from a checkout, or git is not there.
    """
    try:
        _git(root, "ls-files", "--error-unmatch", "rnn_jax")  # else: the package lies in another checkout
        changed = _git(root, "status", "--porcelain", "--", *WHAT_RUNS)
        return _git(root, "rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _identity(row: Record) -> tuple[str, Mapping[str, Any], int, str | None, str | None]:
    """What makes two records the same run of the same code; a sweep's member is none of another sweep's."""
    return row["config"], row["overrides"], row["seed"], row["commit"], row.get("sweep")


def _at(row: Record, key: str) -> Any:
    """The value at a dotted key; None where a part of the way is missing."""
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
