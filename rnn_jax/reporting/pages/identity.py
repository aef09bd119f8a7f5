"""What a run is, and what all of a report are: hardware, software, data, the commands that make it again."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn_jax.reporting.formatting import format_rate, format_seconds, format_spread, in_order
from rnn_jax.reporting.pages.collect import Collection
from rnn_jax.reporting.pages.differences import SEED, value_of, written
from rnn_jax.reporting.pages.files import read_object
from rnn_jax.reporting.pages.folders import SWEEP
from rnn_jax.reporting.pages.points import over_seeds
from rnn_jax.reporting.pages.reading import TESTED, Run, is_number
from rnn_jax.reporting.pages.subjects import of_runs
from rnn_jax.runtime.errors import UserError

Facts = list[tuple[str, str]]
"""What it is, and what is so."""

MOST_NAMED = 3  # of the values that runs have between them


def of_all(found: Collection) -> Facts:
    """What the runs have in common, or between them."""
    runs = found.runs
    facts = [
        ("reported", ", ".join(map(str, found.folders[:MOST_NAMED])) + _more(len(found.folders))),
        ("data", _between(_data(run) for run in runs)),
        ("hardware", _between(_hardware(run) for run in runs)),
        ("software", _between(_software(run) for run in runs)),
        ("commit", _between(str(run.summary.get("commit") or "") for run in runs)),
    ]
    return [(name, text) for name, text in facts if text]


def statuses(runs: Sequence[Run]) -> list[tuple[str, int]]:
    """How many runs ended how, the usual end first."""
    return Counter(run.status for run in runs).most_common()


def best(found: Collection, own: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[tuple[str, str]]:
    """Of each subject that has figures: what it is, and in a sentence the best run, or the best point.

    Args:
        found: the runs.
        own: what each run's config has that not all have.
        keys: by which runs are compared.
    """
    subjects = of_runs(found.runs)
    told = []
    for subject, objective in found.subjects.items():
        chosen = [place for place, of in enumerate(subjects) if of == subject]
        runs, settings = [found.runs[place] for place in chosen], [own[place] for place in chosen]
        point = next(iter(over_seeds(runs, settings, objective)), [])
        if any(objective.metric in run.figures["validation"] for run in point):
            task, data = (part or "another" for part in subject)
            text = _of_point(point, objective.metric, keys[:MOST_NAMED])
            told.append((f"{task.replace('_', ' ')} on {data}", text))
    return told


def _of_point(runs: Sequence[Run], name: str, keys: Sequence[str]) -> str:
    """What a run came to; or runs that differ by their seed alone, in the mean."""
    run, alone = runs[0], len(runs) == 1
    told = [key for key in run.point or ([] if alone else keys) if key != SEED or alone]
    shown = ", ".join(f"{key} = {written(value_of(run, key))}" for key in told)
    if alone:
        who = f"{run.name}{f' ({shown})' if shown else ''}"
        after = "" if run.best_step is None else f" at step {run.best_step:,}"
    else:
        who, after = f"{shown or run.name}, {len(runs)} seeds", ""
    text = f"{who}: validation {name} {_spread(runs, 'validation', name)}{after}"
    for split in TESTED:
        if names := in_order(key for run in runs for key in run.figures[split]):
            figures = ", ".join(f"{key} {_spread(runs, split, key)}" for key in names)
            text += f"; {split.replace('_', ' ')} {figures}"
    return text


def _spread(runs: Sequence[Run], split: str, name: str) -> str:
    return format_spread(name, [run.figures[split][name] for run in runs if name in run.figures[split]])


def of_run(run: Run) -> Facts:
    """What a run is."""
    summary = run.summary
    parameters, seconds, members = (summary.get(key) for key in ("parameters", "wall_seconds", "members"))
    rates = [
        format_rate(float(summary[f"{unit}_per_second"]), unit)
        for unit in ("examples", "tokens")
        if is_number(summary.get(f"{unit}_per_second"))
    ]
    time = format_seconds(seconds) if seconds is not None and is_number(seconds) else ""
    shared = f", of a program of {members} models" if shares_a_program(run) else ""
    facts = [
        ("folder", str(run.folder)),
        ("status", run.status if run.reason is None else f"{run.status}: {run.reason}"),
        ("steps", "" if run.step is None else f"{run.step:,}"),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else ""),
        ("data", _data(run)),
        ("time", f"{time}{shared}" if time else ""),
        ("rate", ", ".join(rates) + (shared if rates else "")),
        ("hardware", _hardware(run)),
        ("software", _software(run)),
        ("commit", str(summary.get("commit") or "")),
    ]
    return [(name, text) for name, text in facts if text]


def shares_a_program(run: Run) -> bool:
    """Whether others were trained with it at once."""
    members = run.summary.get("members")
    return isinstance(members, int) and members > 1


def command_of(run: Run) -> str:
    """The command that trains a sweep's member alone; of another run, the one that goes on with it."""
    alone = None if run.sweep is None else _alone(run, run.sweep)
    return alone or shlex.join(["python", "-m", "rnn_jax.main", "--workdir", str(run.folder)])


def evaluation_of(run: Run) -> str:
    """The command that counts what was taken for what."""
    return shlex.join(["python", "-m", "rnn_jax.main", "--workdir", str(run.folder), "--mode", "eval"])


def _alone(run: Run, sweep: Path) -> str | None:
    """From what sweep.json says of its config; None where it says something else."""
    try:
        content = read_object(sweep / SWEEP)
        base = content["base"]
        typed = {key: base[key.partition(".")[0]][key.partition(".")[2]] for key in content["said"]}
        fields = content["sweep"]
        lasts = ("duration_steps", "duration_epochs")
        typed |= {f"train.{name}": fields[name] for name in lasts if fields.get(name) is not None}
        source = str(content["config"])
    except (UserError, KeyError, TypeError, AttributeError):
        return None
    seed = {SEED: run.config[SEED]} if SEED in run.config else {}
    changes = [f"--config.{key}={value}" for key, value in {**typed, **run.point, **seed}.items()]
    return shlex.join(["python", "-m", "rnn_jax.main", "--config", source, *changes])


def _between(texts: Iterable[str]) -> str:
    """The different texts, most frequent first: the first ones, and how many more there are."""
    found = [text for text, _ in Counter(text for text in texts if text).most_common()]
    return "; ".join(found[:MOST_NAMED]) + _more(len(found))


def _more(count: int) -> str:
    return f" and {count - MOST_NAMED:,} more" if count > MOST_NAMED else ""


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
