"""Which runs are comparable, which of them is better, and in which config keys they differ."""

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.pages.reading import Run

Benchmark = tuple[str, str]
"""A task and the name of its dataset, '' if unknown. Metrics of different benchmarks are not comparable."""

STATUS_ORDER = {"pruned": 1, "diverged": 2, "failed": 2}
"""Statuses ranked behind all others."""
SEED = "train.seed"
MINOR_KEYS = ("checkpoint.", "log.", "runtime.", "dataset.data_dir", "dataset.manual_dir")
"""Keys that runs are not compared by."""
SECTIONS = ("model", "optimizer", "task", "dataset", "train")
BENCHMARK_KEYS = ("task.name", "dataset.name")


def benchmarks_of(runs: Sequence[Run]) -> list[Benchmark]:
    """The benchmark of each run.

    A sweep's member with nothing left but its metrics is of the same benchmark as the other runs, if these
    have only one.
    """
    found = [_benchmark(run) for run in runs]
    complete = {benchmark for benchmark in found if "" not in benchmark}
    if len(complete) != 1:
        return found
    (only,) = complete
    return [
        only if all(own in ("", known) for own, known in zip(benchmark, only, strict=True)) else benchmark
        for benchmark in found
    ]


def _benchmark(run: Run) -> Benchmark:
    data = run.summary.get("dataset")
    name = data.get("name") if isinstance(data, dict) else None
    return str(run.config.get("task.name") or ""), str(name or run.config.get("dataset.name") or "")


def objectives(runs: Sequence[Run]) -> dict[Benchmark, Objective | None]:
    """The objective of each benchmark, in the order of the runs."""
    groups: dict[Benchmark, list[Run]] = {}
    for run, benchmark in zip(runs, benchmarks_of(runs), strict=True):
        groups.setdefault(benchmark, []).append(run)
    return {benchmark: objective_of(group) for benchmark, group in groups.items()}


def objective_of(runs: Sequence[Run]) -> Objective | None:
    """The objective that most runs have recorded; None if none has."""
    recorded = Counter(run.objective for run in runs if run.objective is not None)
    return recorded.most_common(1)[0][0] if recorded else None


def rank(runs: Sequence[Run], benchmarks: Mapping[Benchmark, Objective | None]) -> list[Run]:
    """The runs of one benchmark after another, best first and those without a value last.

    Diverged and failed runs are last of all. Without an objective, runs keep their order.
    """
    places = {benchmark: place for place, benchmark in enumerate(benchmarks)}

    def key(pair: tuple[Run, Benchmark]) -> tuple[int, int, float]:
        run, benchmark = pair
        return STATUS_ORDER.get(run.status, 0), places[benchmark], _cost([run], benchmarks[benchmark])

    return [run for run, _ in sorted(zip(runs, benchmarks_of(runs), strict=True), key=key)]


def group_seeds(
    runs: Sequence[Run], own: Sequence[Mapping[str, Any]], objective: Objective | None
) -> list[list[Run]]:
    """Groups of runs that differ in the seed only, ranked by their means.

    Args:
        runs: of one benchmark, or of several.
        own: the settings of each run's config that not all have in common.
        objective: None: groups keep their order.
    """
    groups: dict[str, list[Run]] = {}
    for run, settings in zip(runs, own, strict=True):
        point = {k: v for k, v in settings.items() if k != SEED and not k.startswith(MINOR_KEYS)}
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


def value_of(run: Run, key: str) -> Any:
    """A run's value of a config key; None also if it has none."""
    return run.config.get(key, run.point.get(key))


def split_settings(runs: Sequence[Run]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The settings that all configs have in common, and the others of each run, by dotted key."""
    if not runs:
        return {}, []
    settings = [{**run.point, **run.config} for run in runs]
    common = {
        key: value
        for key, value in settings[0].items()
        if all(key in other and _equal(other[key], value) for other in settings)
    }
    return common, [{key: own[key] for key in own if key not in common} for own in settings]


def differing_keys(own: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys of the settings not in common, by section: the model's, the optimizer's, ..."""
    keys = dict.fromkeys(key for settings in own for key in settings)
    order = {section: place for place, section in enumerate(SECTIONS)}
    return sorted(keys, key=lambda key: order.get(key.partition(".")[0], len(order)))


def compared_keys(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """The differing keys to compare runs by: task and data, what a sweep varies, others, the seed."""
    points = dict.fromkeys(key for run in runs for key in run.point)
    first = [key for key in dict.fromkeys([*BENCHMARK_KEYS, *points]) if key in keys or key in points]
    others = [key for key in keys if not key.startswith(MINOR_KEYS)]
    found = [key for key in dict.fromkeys([*first, *others]) if key != SEED]
    return [*found, *([SEED] if SEED in keys else [])]


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal: 1 equals 1.0 but not True."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
