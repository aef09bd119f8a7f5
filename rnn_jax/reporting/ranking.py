"""Which runs of a config count, which config is best, and which keys separate it from the others.

Runs that differ in the seed only form a group. The page and the report of a sweep follow the same rules:

- A seed counts once. Of several runs of a seed, a finished one counts, and of these the first.
- Means and ranks are those of the runs that ended: the best of another one may still improve. Where none has
  ended, they are those of the best so far.
- A group with a run that diverged, failed or was pruned is behind all others, and so is one with a run that
  ended without a value of the objective.

Metrics are comparable within one task and data set only: see `Benchmark`.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from rnn_jax.config.objective import Metrics, Objective
from rnn_jax.reporting.formatting import format_metric

FINISHED = ("finished", "stopped early")
BEHIND = {"pruned": 1, "diverged": 2, "failed": 2}
"""Statuses ranked behind all others, the last ones last."""
GENERATED_KEYS = ("time_steps", "delay_steps", "copied_symbols", "alphabet_size")
"""Keys of the tasks that draw `generated` examples: other values draw other examples."""
FOLD_KEYS = ("dataset.validation_folds", "dataset.validation_fold")
"""Keys that decide which examples of the same data are for validation."""


class Member(Protocol):
    """A run, or the row of a sweep's member."""

    @property
    def seed(self) -> int | None:
        """Its seed, None if it is unknown."""
        ...

    @property
    def status(self) -> str:
        """Its status, as in summary.json."""
        ...

    @property
    def best(self) -> Metrics:
        """The validation metrics at its best step, with `step`; {} if there are none."""
        ...

    @property
    def tested(self) -> Mapping[str, float]:
        """Its test metrics, {} if there are none."""
        ...


Some = TypeVar("Some", bound=Member)


class Seeds(NamedTuple, Generic[Some]):
    """The runs of a group, a run per seed."""

    distinct: list[Some]  # a run per seed
    counted: list[Some]  # those of them that means and ranks are computed from
    equal: list[tuple[Some, Some]]  # further runs with equal results, each with the one that counts
    different: list[tuple[Some, Some]]  # further runs with other results, or unfinished

    @property
    def outcome(self) -> str:
        """The number of seeds by status, '2 of 3 finished', '1 finished, 1 diverged', and of other runs."""
        repeated = len(self.equal) + len(self.different)
        return self._by_status() + (f", {repeated} repeated" if repeated else "")

    def _by_status(self) -> str:
        counts = Counter(run.status for run in self.distinct)
        done = {status: count for status, count in counts.items() if status in (*FINISHED, *BEHIND)}
        if done and len(done) < len(counts):
            first, *others = done
            total = f"{done[first]} of {len(self.distinct)} {first}"
            return ", ".join([total, *(f"{done[status]} {status}" for status in others)])
        return ", ".join(f"{count} {status}" for status, count in counts.items())


def merge_seeds(runs: Sequence[Some]) -> Seeds[Some]:
    """Return the runs of a group, in the order given, with each seed counted once."""
    by_seed: dict[Hashable, list[Some]] = {}
    for number, run in enumerate(runs):
        by_seed.setdefault((run.seed, number if run.seed is None else None), []).append(run)
    found = Seeds[Some]([], [], [], [])
    for same in by_seed.values():
        first, *others = sorted(same, key=_precedence)
        found.distinct.append(first)
        for other in others:
            is_equal = first.status == other.status and _are_equal(first, other)
            (found.equal if is_equal else found.different).append((other, first))
    ended = [run for run in found.distinct if run.status in (*FINISHED, *BEHIND)]
    known = [run for run in found.distinct if any(value is not None for value in _metrics(run).values())]
    found.counted.extend(ended or known or found.distinct)
    return found


def _precedence(run: Member) -> tuple[bool, bool, bool]:
    """Sorts the run first that counts for its seed: a finished one, one that ended, one with test metrics."""
    return run.status not in FINISHED, run.status not in BEHIND, not run.tested


def _are_equal(one: Member, other: Member) -> bool:
    """Whether two runs have the same metrics, to the digits that are shown."""
    pairs = ((_metrics(one), _metrics(other)), (one.tested, other.tested))
    return all(
        format_metric(name, here[name]) == format_metric(name, there[name])
        for here, there in pairs
        for name in here.keys() & there.keys()
    )


def _metrics(run: Member) -> dict[str, float | None]:
    return {name: value for name, value in run.best.items() if name != "step"}


class Rank(NamedTuple):
    """What groups are sorted by, the best first."""

    behind: int  # of `BEHIND`, the last of its runs that count
    is_missing: bool  # whether one of them has no value
    key: tuple[float, ...]  # of their mean metrics; () without an objective


def rank_of(runs: Sequence[Some], objective: Objective | None) -> Rank:
    """Return the rank of a group of runs."""
    counted = merge_seeds(runs).counted
    behind = max(BEHIND.get(run.status, 0) for run in counted)
    if objective is None:
        return Rank(behind, False, ())
    known = [run.best for run in counted if objective.is_better(run.best, None)]
    return Rank(behind, len(known) < len(counted), objective.sort_key(objective.mean(known)))


MISSING = object()
"""The value of a key that a config does not have."""


def separating_keys(
    winner: Mapping[str, Any], others: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> list[str]:
    """Return the keys, in their order, by which the settings of the winner differ from all others'.

    These are the keys whose value no other has. Without such a key, they are keys of which none can be left
    out, such that every other differs in at least one of them.
    """
    differs = {
        key: {
            number
            for number, other in enumerate(others)
            if not equal(winner.get(key, MISSING), other.get(key, MISSING))
        }
        for key in keys
    }
    unique = [key for key, found in differs.items() if others and len(found) == len(others)]
    if unique:
        return unique
    chosen, left = list[str](), set().union(*differs.values())
    while left:
        chosen.append(max(differs, key=lambda key: len(differs[key] & left)))
        left -= differs[chosen[-1]]
    everything = set().union(*differs.values())
    for key in list(reversed(chosen)):
        rest = [differs[other] for other in chosen if other != key]
        if set().union(*rest) == everything:
            chosen.remove(key)
    return [key for key in keys if key in chosen]


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal: 1 equals 1.0 but not True."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


class Benchmark(NamedTuple):
    """A task and what identifies its data, '' where unknown. Metrics of others are not comparable."""

    task: str
    data: str
    version: str
    sizes: str  # of the splits that metrics are computed on
    options: str  # the keys that decide which examples are generated, or are for validation

    @property
    def name(self) -> str:
        """The task, and the name of the data."""
        return f"{self.task.replace('_', ' ') or 'unknown'} on {self.data or 'unknown'}"

    @property
    def details(self) -> str:
        """The data with its version, options and sizes."""
        rest = ", ".join(filter(None, (self.options, self.sizes)))
        return f"{self.data or 'unknown'} {self.version}".strip() + (f" ({rest})" if rest else "")


def benchmark_of(dataset: Mapping[str, Any], settings: Mapping[str, Any]) -> Benchmark:
    """Return the benchmark of a run: its summary.json has `dataset`; the settings are by dotted key."""
    name = str(dataset.get("name") or settings.get("dataset.name") or "")
    sizes = [(dataset.get(split), split) for split in ("validation", "test")]
    # The version of labelled texts covers their vocabulary, by which configs may differ; `source` does not.
    source = dataset.get("source")
    own = {"generated": [f"task.{key}" for key in GENERATED_KEYS], "synthetic": ["dataset.template"]}
    options = {key: settings.get(key) for key in (*own.get(name, ()), *FOLD_KEYS)}
    return Benchmark(
        task=str(settings.get("task.name") or ""),
        data=name,
        version=f"source {source}" if source else str(dataset.get("version") or ""),
        sizes=", ".join(f"{count:,} {split}" for count, split in sizes if isinstance(count, int)),
        options=", ".join(
            f"{key.partition('.')[2]} = {value}" for key, value in options.items() if value is not None
        ),
    )


def complete(benchmarks: Iterable[Benchmark]) -> dict[Benchmark, Benchmark]:
    """Return for each benchmark itself, or the only complete one that fits what is known of it.

    A sweep's member may have nothing left but its metrics, and a new run has no summary yet.
    """
    completed = {benchmark: benchmark for benchmark in benchmarks}
    whole = [benchmark for benchmark in completed if all(benchmark[:-1])]
    for benchmark in completed:
        if not all(benchmark[:-1]):
            fitting = [
                other
                for other in whole
                if all(one in ("", two) for one, two in zip(benchmark, other, strict=True))
            ]
            completed[benchmark] = fitting[0] if len(fitting) == 1 else benchmark
    return completed
