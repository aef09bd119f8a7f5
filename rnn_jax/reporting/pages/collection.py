"""All runs of a report, best first."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.formatting import in_order
from rnn_jax.reporting.pages import comparison, folders
from rnn_jax.reporting.pages.folders import PARENTS, SWEEP, Found
from rnn_jax.reporting.pages.reading import Benchmark, Run, read_objective, read_run
from rnn_jax.runtime.errors import UserError


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
        folders.check_folder(folder)
    damaged, found = list[str](), dict[str, Run]()
    # Sweeps first: a member that is also given by itself belongs to its sweep.
    for folder in sorted(given, key=lambda folder: not folders.is_sweep(folder)):
        inside, sweep, objective = [Found(folder, None)], None, None
        try:
            if folders.is_sweep(folder) and not folders.is_run(folder):
                inside, sweep = folders.find_runs(folder), folder
                objective = read_objective(folders.read_object(folder / SWEEP), folder / SWEEP)
        except UserError as error:
            damaged.append(str(error))
            continue
        for each in inside:
            place = os.path.realpath(each.folder)
            try:
                if place not in found:
                    found[place] = read_run(each, _name(each, sweep, given), sweep, objective)
            except UserError as error:
                damaged.append(str(error))
    if not found:
        names = ", ".join(map(str, given))
        raise UserError("\n".join(damaged[:2]) or f"{names}: no member has started yet")
    runs = comparison.complete_benchmarks(list(found.values()))
    groups: dict[Benchmark, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.benchmark, []).append(run)
    benchmarks = {benchmark: comparison.objective_of(group) for benchmark, group in groups.items()}
    objective = comparison.objective_of(runs)
    metrics = in_order(name for run in runs for name in run.metrics["validation"])
    metric = objective.metric if objective is not None else next(iter(metrics), "loss")
    return Collection(list(given), comparison.rank(runs, benchmarks), benchmarks, objective, metric, damaged)


def _name(found: Found, sweep: Path | None, given: Sequence[Path]) -> str:
    """The number of a member or trial, or a run folder's name; with what precedes it if it is ambiguous."""
    names = Counter(Path(os.path.realpath(other)).name for other in given)

    def short(folder: Path) -> str:
        name = Path(os.path.realpath(folder)).name
        return name if names[name] == 1 else str(folder)

    if sweep is None:
        return short(found.folder)
    parts = [part for part in found.folder.relative_to(sweep).parts if part not in PARENTS]
    trial = None if found.row is None else found.row.get("trial")
    if isinstance(trial, int):  # its folder's name is a hash
        parts[0] = f"trial {trial}"
    own = "/".join(parts)
    return own if len(given) == 1 else f"{short(sweep)}/{own}"
