"""The runs of a report: all of them, best first, and in which config keys they differ."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.formatting import in_order
from rnn_jax.reporting.pages import reading
from rnn_jax.reporting.pages.reading import (
    PARENTS,
    SWEEP,
    Found,
    Run,
    read_objective,
    read_run,
)
from rnn_jax.reporting.ranking import Benchmark, complete, equal, rank_of
from rnn_jax.runtime.errors import UserError

SEED = "train.seed"
MINOR_KEYS = ("checkpoint.", "log.", "runtime.", "dataset.data_dir", "dataset.manual_dir")
"""Keys that runs are not compared by."""
FILE_KEYS = tuple(f"dataset.{key}" for key in ("file", "validation_file", "test_file", "folder"))
"""Keys that say where data are, not which: the version of the data covers the contents."""
SECTIONS = ("model", "optimizer", "task", "dataset", "train")
BENCHMARK_KEYS = ("task.name", "dataset.name")


class Collection(NamedTuple):
    """The runs of a report."""

    folders: list[Path]  # as given
    runs: list[Run]  # ranked, one benchmark after another; diverged and failed runs last
    benchmarks: dict[Benchmark, Objective | None]  # with their objectives
    objective: Objective | None  # of most runs
    metric: str  # the validation metric to show first: the objective's, if there is one
    damaged: list[str]  # a message per run that cannot be read and is left out


def collect(given: Sequence[Path]) -> Collection:
    """Read all runs in run and sweep folders; UserError if a folder is neither, or no run is valid."""
    for folder in given:
        reading.check_folder(folder)
    found, damaged = _read(given)
    if not found:
        names = ", ".join(map(str, given))
        raise UserError("\n".join(damaged[:2]) or f"{names}: no member has started yet")
    return rank_runs(given, found, damaged)


def rank_runs(given: Sequence[Path], found: Sequence[Run], damaged: list[str]) -> Collection:
    """The collection of the runs that are `found` in the folders `given`."""
    completed = complete(run.benchmark for run in found)
    found = [run._replace(benchmark=completed[run.benchmark]) for run in found]
    benchmarks = {benchmark: _objective_of(runs) for benchmark, runs in by_benchmark(found).items()}
    objective = _objective_of(found)
    metrics = in_order(name for run in found for name in run.metrics["validation"])
    metric = objective.metric if objective is not None else next(iter(metrics), "loss")
    places = {benchmark: place for place, benchmark in enumerate(benchmarks)}

    def key(run: Run) -> tuple[Any, ...]:
        behind, *rest = rank_of([run], benchmarks[run.benchmark])
        return behind, places[run.benchmark], *rest

    return Collection(list(given), sorted(found, key=key), benchmarks, objective, metric, damaged)


def by_benchmark(runs: Sequence[Run]) -> dict[Benchmark, list[Run]]:
    """The runs of each benchmark."""
    groups: dict[Benchmark, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.benchmark, []).append(run)
    return groups


def _read(given: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """All runs, each once, and a message for each that cannot be read."""
    damaged, found, short = list[str](), dict[str, Run](), _short_names(given)
    # Sweeps first: a member that is also given by itself belongs to its sweep.
    for folder in sorted(given, key=lambda folder: not reading.is_sweep(folder)):
        inside, sweep, objective = [Found(folder, None)], None, None
        try:
            if reading.is_sweep(folder) and not reading.is_run(folder):
                inside, sweep = reading.find_runs(folder), folder
                objective = read_objective(reading.read_object(folder / SWEEP), folder / SWEEP)
        except UserError as error:
            damaged.append(str(error))
            continue
        for each in inside:
            place = os.path.realpath(each.folder)
            try:
                if place not in found:
                    found[place] = read_run(each, _name(each, sweep, short), sweep, objective, len(found))
            except UserError as error:
                damaged.append(str(error))
    return list(found.values()), damaged


def _short_names(given: Sequence[Path]) -> dict[Path, str]:
    """The name of each folder, or the whole path if another one has the same name."""
    names = {folder: Path(os.path.realpath(folder)).name for folder in given}
    counts = Counter(names.values())
    return {folder: name if counts[name] == 1 else str(folder) for folder, name in names.items()}


def _name(found: Found, sweep: Path | None, short: Mapping[Path, str]) -> str:
    """The number of a member or trial, or a run folder's name; with what precedes it if it is ambiguous.

    `short` has the `_short_names` of all folders that are given.
    """
    if sweep is None:
        return short[found.folder]
    parts = [part for part in found.folder.relative_to(sweep).parts if part not in PARENTS]
    trial = None if found.row is None else found.row.get("trial")
    if isinstance(trial, int):  # its folder's name is a hash
        parts[0] = f"trial {trial}"
    own = "/".join(parts)
    return own if len(short) == 1 else f"{short[sweep]}/{own}"


def _objective_of(runs: Sequence[Run]) -> Objective | None:
    """The objective that most runs have recorded; None if none has."""
    recorded = Counter(run.objective for run in runs if run.objective is not None)
    return recorded.most_common(1)[0][0] if recorded else None


def group_seeds(runs: Sequence[Run], objective: Objective | None) -> list[list[Run]]:
    """Groups of runs that differ in the seed only, ranked by their means if there is an objective.

    The runs of each group are in the order in which they were given; `merge_seeds` finds those that count.
    """
    groups: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.place):
        left_out = (*MINOR_KEYS, *(FILE_KEYS if run.benchmark.version else ()))
        point = {k: v for k, v in run.own.items() if k != SEED and not k.startswith(left_out)}
        groups.setdefault(json.dumps([run.benchmark, point], sort_keys=True), []).append(run)

    return sorted(groups.values(), key=lambda group: rank_of(group, objective))


def ranked_groups(found: Collection) -> list[list[Run]]:
    """The `group_seeds` of each benchmark, one benchmark after another."""
    runs = by_benchmark(found.runs)
    return [
        group
        for benchmark, objective in found.benchmarks.items()
        for group in group_seeds(runs.get(benchmark, ()), objective)
    ]


def split_settings(runs: Sequence[Run]) -> tuple[dict[str, Any], list[Run]]:
    """The settings that all configs have in common, by dotted key, and the runs with the others in `own`."""
    settings = [{**run.point, **run.config} for run in runs]
    common = {
        key: value
        for key, value in settings[0].items()
        if all(key in other and equal(other[key], value) for other in settings)
    }
    others = [{key: value for key, value in each.items() if key not in common} for each in settings]
    return common, [run._replace(own=own) for run, own in zip(runs, others, strict=True)]


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """The keys of the settings not in common, by section: the model's, the optimizer's, ..."""
    order = {section: place for place, section in enumerate(SECTIONS)}
    keys = dict.fromkeys(key for run in runs for key in run.own)
    return sorted(keys, key=lambda key: order.get(key.partition(".")[0], len(order)))


def compared_keys(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """The differing keys to compare runs by: task and data, what a sweep varies, others, the seed."""
    points = dict.fromkeys(key for run in runs for key in run.point)
    first = [key for key in (*BENCHMARK_KEYS, *points) if key in keys or key in points]
    others = [key for key in keys if not key.startswith(MINOR_KEYS)]
    found = [key for key in dict.fromkeys([*first, *others]) if key != SEED]
    return [*found, *([SEED] if SEED in keys else [])]
