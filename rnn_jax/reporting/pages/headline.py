"""The head of the page: the best result on each task and data set, and which runs do not count."""

from collections import Counter
from collections.abc import Sequence

from rnn_jax.reporting.formatting import format_metric, format_spread, in_order
from rnn_jax.reporting.pages.collection import FILE_KEYS, SEED, Collection, by_benchmark, group_seeds
from rnn_jax.reporting.pages.facts import Facts, file_of, format_value
from rnn_jax.reporting.pages.reading import TEST_SPLITS, Run, values_of
from rnn_jax.reporting.ranking import FINISHED, Benchmark, Seeds, merge_seeds, separating_keys

MAX_KEYS = 8  # that separate the best runs from the others
MAX_NAMES = 5  # of runs in a note

Group = Sequence[Run]


def best_results(found: Collection, keys: Sequence[str]) -> Facts:
    """The name of each benchmark with results, and a sentence on its best run, or on the best over seeds.

    `keys` are those that runs are compared by.
    """
    results, runs, names = [], by_benchmark(found.runs), names_of(found)
    for benchmark, objective in found.benchmarks.items():
        own = runs.get(benchmark, [])
        if objective is None:
            if any(run.metrics["validation"] for run in own):
                results.append((names[benchmark], "not ranked, since no summary.json has an objective"))
        elif own and values_of((groups := group_seeds(own, objective))[0], objective.metric):
            results.append((names[benchmark], _sentence(groups, objective.metric, keys)))
    return results


def names_of(found: Collection) -> dict[Benchmark, str]:
    """The task and data of each benchmark; of several data sets of one name, with what separates them."""
    counts, files = Counter(benchmark.name for benchmark in found.benchmarks), _files(found)
    names = {benchmark: benchmark.name for benchmark in found.benchmarks}
    for benchmark, name in names.items():
        if counts[name] > 1:
            source = f" from {_listed(files[benchmark])}" if files[benchmark] else ""
            names[benchmark] = f"{name.removesuffix(benchmark.data)}{benchmark.details}{source}"
    return names


def short_names(found: Collection) -> dict[Benchmark, str]:
    """The data of each benchmark for a column of a table: name, version and file."""
    files, tasks = _files(found), {benchmark.task for benchmark in found.benchmarks}
    names = {}
    for benchmark in found.benchmarks:
        file = next(iter(files[benchmark]), "").rstrip("/").rpartition("/")[2]
        task = benchmark.task.replace("_", " ") if len(tasks) > 1 else ""
        parts = (task, f"{benchmark.data} {benchmark.version}".strip(), benchmark.options, file)
        names[benchmark] = ", ".join(filter(None, parts))
    return names


def _files(found: Collection) -> dict[Benchmark, list[str]]:
    """The names that the file or folder of each benchmark has."""
    runs = by_benchmark(found.runs)
    return {
        benchmark: list(dict.fromkeys(filter(None, map(file_of, runs.get(benchmark, [])))))
        for benchmark in found.benchmarks
    }


def _sentence(groups: Sequence[Group], metric: str, keys: Sequence[str]) -> str:
    """The metrics of the first of the groups of a benchmark: those of its run, or their mean over seeds."""
    best, seeds = groups[0], merge_seeds(groups[0])
    run, is_alone = seeds.counted[0], len(seeds.distinct) == 1
    values = _text(run, groups[1:], keys)
    metrics = f"validation {metric} {format_spread(metric, values_of(best, metric))}"
    if is_alone:
        status = "" if run.status in FINISHED else f", {run.status}"
        who = f"{run.name}{f' ({values})' if run.point and values else ''}{status}"
        metrics += "" if run.best_step is None else f" at step {run.best_step:,}"
        metrics += f", with {values}" if values and not run.point else ""
    else:
        who = f"{values or run.name}, {_count(seeds)}"
    for split in TEST_SPLITS:
        if names := in_order(name for one in seeds.counted for name in one.metrics[split]):
            tested = ", ".join(
                f"{name} {format_spread(name, values_of(best, name, split))}" for name in names
            )
            metrics += f"; {split.replace('_', ' ')} {tested}"
    return f"{who}: {metrics}"


def _text(run: Run, others: Sequence[Group], keys: Sequence[str]) -> str:
    """The keys that separate a run from other groups, and those that its sweep varies, with their values."""
    separating = _separating(run, others, keys)
    more = len(separating) - MAX_KEYS
    varied = [key for key in run.point if key != SEED]
    shown = list(dict.fromkeys([*separating[:MAX_KEYS], *varied]))
    text = ", ".join(f"{key} = {format_value(run.value(key))}" for key in shown)
    return f"{text} and {more} more keys" if more > 0 else text


def _separating(run: Run, others: Sequence[Group], keys: Sequence[str]) -> list[str]:
    comparable = [key for key in keys if key != SEED and not key.startswith(FILE_KEYS)]
    own, *rest = ({**one.point, **one.config} for one in (run, *(group[0] for group in others)))
    return separating_keys(own, rest, comparable)


def deciding_first(found: Collection, keys: Sequence[str]) -> list[str]:
    """The keys that runs are compared by, with those first that separate the winner of any benchmark."""
    runs, deciding = by_benchmark(found.runs), set[str]()
    for benchmark, objective in found.benchmarks.items():
        if objective is not None and benchmark in runs:
            first, *others = group_seeds(runs[benchmark], objective)
            deciding.update(_separating(first[0], others, keys))
    return sorted(keys, key=lambda key: key not in deciding)


def _count(seeds: Seeds[Run]) -> str:
    """'3 seeds', or '2 of 3 seeds finished'."""
    finished, total = sum(run.status in FINISHED for run in seeds.distinct), len(seeds.distinct)
    return f"{total} seeds" if finished == total else f"{finished} of {total} seeds finished"


def merged_seeds(groups: Sequence[Group], metric: str) -> list[str]:
    """Notes about the runs that repeat a seed of their group, and so do not count."""

    def brief(run: Run) -> str:
        value = format_metric(metric, run.metric(metric))
        return f"{run.name} ({value if run.status in FINISHED else run.status})"

    merged = [merge_seeds(group) for group in groups]
    equal = [f"{run.name} (as {first.name})" for seeds in merged for run, first in seeds.equal]
    other = [f"{brief(run)} beside {brief(first)}" for seeds in merged for run, first in seeds.different]
    notes = {
        f"A seed counts once. Equal results of the same config, data and seed: {_listed(equal)}.": equal,
        "A seed counts once. Different results of the same config, data and seed, of which the second "
        f"counts: {_listed(other)}.": other,
    }
    return [note for note, applies in notes.items() if applies]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more
