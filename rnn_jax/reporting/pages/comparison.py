"""Which runs are comparable, which of them is better, and in which config keys they differ."""

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.pages.reading import Benchmark, Run

STATUS_ORDER = {"pruned": 1, "diverged": 2, "failed": 2}
"""Statuses ranked behind all others."""
SEED = "train.seed"
MINOR_KEYS = ("checkpoint.", "log.", "runtime.", "dataset.data_dir", "dataset.manual_dir")
"""Keys that runs are not compared by."""
SECTIONS = ("model", "optimizer", "task", "dataset", "train")
BENCHMARK_KEYS = ("task.name", "dataset.name")


def complete_benchmarks(runs: Sequence[Run]) -> list[Run]:
    """The runs; a sweep's member with nothing left but its metrics gets the only benchmark of the others."""
    complete = {run.benchmark for run in runs if "" not in run.benchmark}
    if len(complete) != 1:
        return list(runs)
    (only,) = complete
    return [
        run._replace(benchmark=only)
        if all(own in ("", known) for own, known in zip(run.benchmark, only, strict=True))
        else run
        for run in runs
    ]


def objective_of(runs: Sequence[Run]) -> Objective | None:
    """The objective that most runs have recorded; None if none has."""
    recorded = Counter(run.objective for run in runs if run.objective is not None)
    return recorded.most_common(1)[0][0] if recorded else None


def rank(runs: Sequence[Run], benchmarks: Mapping[Benchmark, Objective | None]) -> list[Run]:
    """The runs of one benchmark after another, best first and those without a value last.

    Diverged and failed runs are last of all. Without an objective, runs keep their order.
    """
    places = {benchmark: place for place, benchmark in enumerate(benchmarks)}

    def key(run: Run) -> tuple[int, int, float]:
        cost = _cost([run], benchmarks[run.benchmark])
        return STATUS_ORDER.get(run.status, 0), places[run.benchmark], cost

    return sorted(runs, key=key)


def group_seeds(runs: Sequence[Run], objective: Objective | None) -> list[list[Run]]:
    """Groups of runs that differ in the seed only, ranked by their means if there is an objective."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        point = {k: v for k, v in run.own.items() if k != SEED and not k.startswith(MINOR_KEYS)}
        groups.setdefault(json.dumps(point, sort_keys=True), []).append(run)

    def key(group: Sequence[Run]) -> tuple[int, bool, float]:
        lacks_values = objective is not None and any(run.metric(objective.metric) is None for run in group)
        return max(STATUS_ORDER.get(run.status, 0) for run in group), lacks_values, _cost(group, objective)

    return sorted(groups.values(), key=key)


def _cost(runs: Sequence[Run], objective: Objective | None) -> float:
    """The sort key of the runs' mean objective."""
    if objective is None:
        return 0.0
    values = [value for run in runs if (value := run.metric(objective.metric)) is not None]
    return objective.sort_key(statistics.mean(values) if values else None)


def split_settings(runs: Sequence[Run]) -> tuple[dict[str, Any], list[Run]]:
    """The settings that all configs have in common, by dotted key, and the runs with the others in `own`."""
    settings = [{**run.point, **run.config} for run in runs]
    common = {
        key: value
        for key, value in settings[0].items()
        if all(key in other and _equal(other[key], value) for other in settings)
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


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal: 1 equals 1.0 but not True."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
