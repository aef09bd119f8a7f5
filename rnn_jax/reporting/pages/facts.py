"""Facts about a run and about all runs of a report: hardware, software, data, commands."""

import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rnn_jax.reporting.formatting import format_folds, format_rate, format_seconds
from rnn_jax.reporting.pages.collection import FILE_KEYS, SEED, Collection
from rnn_jax.reporting.pages.reading import SWEEP, Run, is_number, read_object
from rnn_jax.runtime.errors import UserError

Facts = list[tuple[str, str]]
"""Pairs of a name and a text."""

MAX_VALUES, MAX_DATA = 3, 12  # of differing values that are listed


def facts_of_all(found: Collection) -> Facts:
    """Facts that the runs share, or their different values."""
    of_runs = [dict(facts_of(run)) for run in found.runs]
    values = {"folders": list(map(str, found.folders))}
    for name in ("data", "hardware", "software", "commit"):
        values[name] = [
            text for text, _ in Counter(own[name] for own in of_runs if name in own).most_common()
        ]
    facts = []
    for name, texts in values.items():
        limit = MAX_DATA if name == "data" else MAX_VALUES
        more = f" and {len(texts) - limit:,} more" if len(texts) > limit else ""
        facts.append((name, (", " if name == "folders" else "; ").join(texts[:limit]) + more))
    return [(name, text) for name, text in facts if text]


def file_of(run: Run) -> str:
    """The file or folder of a user's own data; '' for other data."""
    return next((str(value) for key in FILE_KEYS if (value := run.value(key))), "")


def format_value(value: Any) -> str:
    """A value of a config as text: floats with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def facts_of(run: Run) -> Facts:
    """Facts about a run."""
    summary: dict[str, Any] = run.summary
    parameters, seconds, data = (summary.get(name) for name in ("parameters", "wall_seconds", "dataset"))
    hardware, versions = summary.get("hardware"), summary.get("versions")
    shared = f", of a population of {summary['members']} models" if is_in_population(run) else ""
    rates = {unit: summary.get(f"{unit}_per_second") for unit in ("examples", "tokens")}
    throughput = [format_rate(rate, unit) + shared for unit, rate in rates.items() if is_number(rate)]
    devices = [str(summary.get("devices") or "")]
    if isinstance(hardware, dict):
        devices.append(f"{hardware.get('cpu')}, {hardware.get('cores')} cores")
    about_data, file = "", file_of(run)
    if isinstance(data, dict):
        counts = [f"{data[s]:,} {s}" for s in ("train", "validation", "test") if isinstance(data.get(s), int)]
        about_data = f"{data.get('name')} {data.get('version')}"
        about_data += (f" from {file}" if file else "") + (f" ({', '.join(counts)})" if counts else "")
    software = sorted(versions.items()) if isinstance(versions, dict) else ()
    facts = [
        ("folder", str(run.folder)),
        ("status", run.outcome),
        ("steps", "" if run.step is None else f"{run.step:,}"),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else ""),
        ("data", about_data),
        *_facts_of_folds(summary),
        ("time", f"{format_seconds(seconds)}{shared}" if is_number(seconds) else ""),
        ("throughput", ", ".join(throughput)),
        ("hardware", ", ".join(filter(None, devices))),
        ("software", ", ".join(f"{name} {version}" for name, version in software)),
        ("commit", str(summary.get("commit") or "")),
    ]
    return [(name, text) for name, text in facts if text]


def _facts_of_folds(summary: Mapping[str, Any]) -> Facts:
    """Facts about the folds of a cross-validation; none where the summary has none, or they are malformed."""
    try:
        return format_folds(summary["folds"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return []


def is_in_population(run: Run) -> bool:
    """Whether others were trained in the same program."""
    members = run.summary.get("members")
    return isinstance(members, int) and members > 1


def training_command(run: Run) -> str:
    """The command that trains a sweep's member alone, by the config in sweep.json, or resumes a run."""
    resume = shlex.join(["python", "-m", "rnn_jax.main", "--workdir", str(run.folder)])
    if run.sweep is None:
        return resume
    try:
        content = read_object(run.sweep / SWEEP)
        base, fields, source = content["base"], content["sweep"], str(content["config"])
        typed = {key: base[key.partition(".")[0]][key.partition(".")[2]] for key in content["typed"]}
        shared = ("duration_steps", "duration_epochs", "objective")
        typed |= {f"train.{name}": fields[name] for name in shared if fields.get(name) is not None}
    except (UserError, KeyError, TypeError, AttributeError):  # malformed
        return resume
    seed = {SEED: run.config[SEED]} if SEED in run.config else {}
    changes = [f"--config.{key}={value}" for key, value in {**typed, **run.point, **seed}.items()]
    return shlex.join(["python", "-m", "rnn_jax.main", "--config", source, *changes])
