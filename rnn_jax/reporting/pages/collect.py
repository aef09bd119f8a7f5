"""All runs of the folders that a report is asked for, best first."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.reporting.pages.files import read_object
from rnn_jax.reporting.pages.folders import PARENTS, SWEEP, Found, check, is_run, is_sweep, run_folders
from rnn_jax.reporting.pages.reading import Run, read_objective, read_run
from rnn_jax.reporting.pages.subjects import Subject, objective_of, objectives, of_runs
from rnn_jax.runtime.errors import UserError

LAST = {"pruned": 1, "given up": 1, "diverged": 2, "failed": 2}
"""Which ends stand behind all others in the order of runs."""


class Collection(NamedTuple):
    """What is reported."""

    folders: list[Path]
    """That were asked for."""
    runs: list[Run]
    """Best first by their subject's objective, one subject after another; diverged and failed ones last."""
    subjects: dict[Subject, Objective]
    """What they are about."""
    objective: Objective
    """Of most runs."""
    damaged: list[str]
    """A line for each run that could not be read, and is left out."""


def collect(folders: Sequence[Path]) -> Collection:
    """Reads all runs.

    Raises:
        UserError: a folder is neither a run's nor a sweep's, or no run can be read.
    """
    for folder in folders:
        check(folder)
    damaged, runs = list[str](), dict[str, Run]()
    # Sweeps first: a member that is given beside its sweep is that sweep's.
    for folder in sorted(folders, key=lambda folder: not is_sweep(folder)):
        try:
            found, sweep, objective = [Found(folder, None)], None, None
            if is_sweep(folder) and not is_run(folder):
                found, sweep = run_folders(folder), folder
                objective = read_objective(read_object(folder / SWEEP), folder / SWEEP)
        except UserError as error:
            damaged.append(str(error))
            continue
        for one in found:
            place = os.path.realpath(one.folder)
            if place in runs:
                continue
            try:
                runs[place] = read_run(one, _name(one, sweep, folders), sweep, objective)
            except UserError as error:
                damaged.append(str(error))
    if not runs:
        names = ", ".join(map(str, folders))
        raise UserError("\n".join(damaged[:2]) or f"{names}: no member has begun yet; nothing to report")
    all_runs = list(runs.values())
    subjects = objectives(all_runs, of_runs(all_runs))
    return Collection(list(folders), ranked(all_runs, subjects), subjects, objective_of(all_runs), damaged)


def ranked(runs: Sequence[Run], subjects: Mapping[Subject, Objective]) -> list[Run]:
    """The runs of one subject after another, best first; those without the figure after those with it.

    Diverged and failed ones are last of all.
    """
    places = {subject: place for place, subject in enumerate(subjects)}

    def place(found: tuple[Run, Subject]) -> tuple[int, int, float]:
        run, subject = found
        objective = subjects[subject]
        cost = objective.sort_key(run.figures["validation"].get(objective.metric))
        return LAST.get(run.status, 0), places[subject], cost

    return [run for run, _ in sorted(zip(runs, of_runs(runs), strict=True), key=place)]


def _name(found: Found, sweep: Path | None, folders: Sequence[Path]) -> str:
    """A member's or a trial's number, a run folder's name; with what is before it, if others share it."""
    names = Counter(Path(os.path.realpath(other)).name for other in folders)

    def short(given: Path) -> str:
        name = Path(os.path.realpath(given)).name
        return name if names[name] == 1 else str(given)

    if sweep is None:
        return short(found.folder)
    parts = [part for part in found.folder.relative_to(sweep).parts if part not in PARENTS]
    trial = None if found.row is None else found.row.get("trial")
    if isinstance(trial, int):  # its folder is named by a hash
        parts[0] = f"trial {trial}"
    own = "/".join(parts)
    return own if len(folders) == 1 else f"{short(sweep)}/{own}"
