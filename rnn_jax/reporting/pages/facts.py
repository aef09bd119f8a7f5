"""Facts about a run and about all runs of a report: hardware, software, data, results, commands."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn_jax.reporting.formatting import format_rate, format_seconds, format_spread, in_order
from rnn_jax.reporting.pages.collection import Collection
from rnn_jax.reporting.pages.comparison import SEED, benchmarks_of, group_seeds, value_of
from rnn_jax.reporting.pages.files import read_object
from rnn_jax.reporting.pages.folders import SWEEP
from rnn_jax.reporting.pages.reading import TEST_SPLITS, Run, is_number
from rnn_jax.runtime.errors import UserError

Facts = list[tuple[str, str]]
"""Pairs of a name and a text."""

MAX_VALUES = 3  # of differing values that are listed


def facts_of_all(found: Collection) -> Facts:
    """Facts that the runs share, or their different values."""
    facts = [("folders", ", ".join(map(str, found.folders[:MAX_VALUES])) + _more(len(found.folders)))]
    of_runs = [dict(facts_of(run)) for run in found.runs]
    for name in ("data", "hardware", "software", "commit"):
        distinct = [text for text, _ in Counter(own[name] for own in of_runs if name in own).most_common()]
        facts.append((name, "; ".join(distinct[:MAX_VALUES]) + _more(len(distinct))))
    return [(name, text) for name, text in facts if text]


def best_results(found: Collection, own: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Facts:
    """The name of each benchmark with results, and a sentence on its best run, or on the best over seeds.

    Args:
        found: the runs.
        own: the settings of each run that not all have in common.
        keys: the keys that runs are compared by.
    """
    benchmarks = benchmarks_of(found.runs)
    results = []
    for benchmark, objective in found.benchmarks.items():
        places = [place for place, other in enumerate(benchmarks) if other == benchmark]
        runs = [found.runs[place] for place in places]
        if not any(run.metrics["validation"] for run in runs):
            continue
        task, data = (part or "unknown" for part in benchmark)
        name = f"{task.replace('_', ' ')} on {data}"
        if objective is None:
            results.append((name, "not ranked, since no summary.json has an objective"))
            continue
        group = group_seeds(runs, [own[place] for place in places], objective)[0]
        if any(run.metric(objective.metric) is not None for run in group):
            results.append((name, _result(group, objective.metric, keys[:MAX_VALUES])))
    return results


def _result(runs: Sequence[Run], name: str, keys: Sequence[str]) -> str:
    """The metrics of one run, or the mean of runs with different seeds."""
    run, is_alone = runs[0], len(runs) == 1
    shown = [key for key in run.point or ([] if is_alone else keys) if key != SEED or is_alone]
    point = ", ".join(f"{key} = {format_value(value_of(run, key))}" for key in shown)
    if is_alone:
        who = f"{run.name}{f' ({point})' if point else ''}"
        when = "" if run.best_step is None else f" at step {run.best_step:,}"
    else:
        who, when = f"{point or run.name}, {len(runs)} seeds", ""
    text = f"{who}: validation {name} {spread(runs, 'validation', name)}{when}"
    for split in TEST_SPLITS:
        if names := in_order(key for run in runs for key in run.metrics[split]):
            values = ", ".join(f"{key} {spread(runs, split, key)}" for key in names)
            text += f"; {split.replace('_', ' ')} {values}"
    return text


def spread(runs: Sequence[Run], split: str, name: str) -> str:
    """Mean ± standard deviation of a metric over the runs that have it."""
    return format_spread(name, [value for run in runs if (value := run.metric(name, split)) is not None])


def format_value(value: Any) -> str:
    """A value of a config as text: floats with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def facts_of(run: Run) -> Facts:
    """Facts about a run."""
    summary = run.summary
    parameters, seconds = summary.get("parameters"), summary.get("wall_seconds")
    shared = f", of a population of {summary['members']} models" if is_in_population(run) else ""
    rates = [
        format_rate(rate, unit) + shared
        for unit in ("examples", "tokens")
        if is_number(rate := summary.get(f"{unit}_per_second"))
    ]
    facts = [
        ("folder", str(run.folder)),
        ("status", run.status if run.reason is None else f"{run.status}: {run.reason}"),
        ("steps", "" if run.step is None else f"{run.step:,}"),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else ""),
        ("data", _data(run)),
        ("time", f"{format_seconds(seconds)}{shared}" if is_number(seconds) else ""),
        ("throughput", ", ".join(rates)),
        ("hardware", _hardware(run)),
        ("software", _software(run)),
        ("commit", str(summary.get("commit") or "")),
    ]
    return [(name, text) for name, text in facts if text]


def is_in_population(run: Run) -> bool:
    """Whether others were trained in the same program."""
    members = run.summary.get("members")
    return isinstance(members, int) and members > 1


def training_command(run: Run) -> str:
    """The command that trains a sweep's member alone, or resumes any other run."""
    alone = None if run.sweep is None else _command_alone(run, run.sweep)
    return alone or shlex.join(["python", "-m", "rnn_jax.main", "--workdir", str(run.folder)])


def evaluation_command(run: Run) -> str:
    """The command that writes a run's confusion matrix."""
    return shlex.join(["python", "-m", "rnn_jax.main", "--workdir", str(run.folder), "--mode", "eval"])


def _command_alone(run: Run, sweep: Path) -> str | None:
    """From the config in sweep.json; None if it is malformed."""
    try:
        content = read_object(sweep / SWEEP)
        base = content["base"]
        typed = {key: base[key.partition(".")[0]][key.partition(".")[2]] for key in content["typed"]}
        fields = content["sweep"]
        durations = ("duration_steps", "duration_epochs")
        typed |= {f"train.{name}": fields[name] for name in durations if fields.get(name) is not None}
        source = str(content["config"])
    except (UserError, KeyError, TypeError, AttributeError):
        return None
    seed = {SEED: run.config[SEED]} if SEED in run.config else {}
    changes = [f"--config.{key}={value}" for key, value in {**typed, **run.point, **seed}.items()]
    return shlex.join(["python", "-m", "rnn_jax.main", "--config", source, *changes])


def _more(count: int) -> str:
    return f" and {count - MAX_VALUES:,} more" if count > MAX_VALUES else ""


def _data(run: Run) -> str:
    data = run.summary.get("dataset")
    if not isinstance(data, dict):
        return ""
    counts = [f"{data[s]:,} {s}" for s in ("train", "validation", "test") if isinstance(data.get(s), int)]
    return f"{data.get('name')} {data.get('version')}" + (f" ({', '.join(counts)})" if counts else "")


def _hardware(run: Run) -> str:
    hardware: Any = run.summary.get("hardware")
    processor = f"{hardware.get('cpu')}, {hardware.get('cores')} cores" if isinstance(hardware, dict) else ""
    return ", ".join(part for part in (str(run.summary.get("devices") or ""), processor) if part)


def _software(run: Run) -> str:
    versions = run.summary.get("versions")
    return ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) if isinstance(versions, dict) else ""
