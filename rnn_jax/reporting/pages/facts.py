"""Facts about a run and about all runs of a report: hardware, software, data, results, commands."""

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rnn_jax.reporting.formatting import format_rate, format_seconds, format_spread, in_order
from rnn_jax.reporting.pages.collection import SEED, Collection, group_seeds
from rnn_jax.reporting.pages.reading import SWEEP, TEST_SPLITS, Run, is_number, read_object, values_of
from rnn_jax.runtime.errors import UserError

Facts = list[tuple[str, str]]
"""Pairs of a name and a text."""

MAX_VALUES = 3  # of differing values that are listed


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
        more = f" and {len(texts) - MAX_VALUES:,} more" if len(texts) > MAX_VALUES else ""
        facts.append((name, (", " if name == "folders" else "; ").join(texts[:MAX_VALUES]) + more))
    return [(name, text) for name, text in facts if text]


def best_results(found: Collection, keys: Sequence[str]) -> Facts:
    """The name of each benchmark with results, and a sentence on its best run, or on the best over seeds.

    `keys` are those that runs are compared by.
    """
    results = []
    for benchmark, objective in found.benchmarks.items():
        runs = [run for run in found.runs if run.benchmark == benchmark]
        task, data = (part or "unknown" for part in benchmark)
        name = f"{task.replace('_', ' ')} on {data}"
        if objective is None:
            if any(run.metrics["validation"] for run in runs):
                results.append((name, "not ranked, since no summary.json has an objective"))
        elif values_of(group := group_seeds(runs, objective)[0], objective.metric):
            results.append((name, _result(group, objective.metric, keys[:MAX_VALUES])))
    return results


def _result(runs: Sequence[Run], name: str, keys: Sequence[str]) -> str:
    """The metrics of one run, or the mean of runs with different seeds."""
    run, is_alone = runs[0], len(runs) == 1
    shown = [key for key in run.point or ([] if is_alone else keys) if key != SEED or is_alone]
    point = ", ".join(f"{key} = {format_value(run.value(key))}" for key in shown)
    who, when = f"{point or run.name}, {len(runs)} seeds", ""
    if is_alone:
        who = f"{run.name}{f' ({point})' if point else ''}"
        when = "" if run.best_step is None else f" at step {run.best_step:,}"
    text = f"{who}: validation {name} {format_spread(name, values_of(runs, name))}{when}"
    for split in TEST_SPLITS:
        if names := in_order(key for run in runs for key in run.metrics[split]):
            values = ", ".join(f"{key} {format_spread(key, values_of(runs, key, split))}" for key in names)
            text += f"; {split.replace('_', ' ')} {values}"
    return text


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
    about_data = ""
    if isinstance(data, dict):
        counts = [f"{data[s]:,} {s}" for s in ("train", "validation", "test") if isinstance(data.get(s), int)]
        about_data = f"{data.get('name')} {data.get('version')}" + (
            f" ({', '.join(counts)})" if counts else ""
        )
    software = sorted(versions.items()) if isinstance(versions, dict) else ()
    facts = [
        ("folder", str(run.folder)),
        ("status", run.outcome),
        ("steps", "" if run.step is None else f"{run.step:,}"),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else ""),
        ("data", about_data),
        ("time", f"{format_seconds(seconds)}{shared}" if is_number(seconds) else ""),
        ("throughput", ", ".join(throughput)),
        ("hardware", ", ".join(filter(None, devices))),
        ("software", ", ".join(f"{name} {version}" for name, version in software)),
        ("commit", str(summary.get("commit") or "")),
    ]
    return [(name, text) for name, text in facts if text]


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
