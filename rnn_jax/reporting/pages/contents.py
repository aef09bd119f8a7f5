"""The contents of the page as plain values, which become JSON."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rnn_jax.catalogue import TASKS
from rnn_jax.reporting.charts import scale_of
from rnn_jax.reporting.pages import attachments, facts, tables
from rnn_jax.reporting.pages.attachments import BUDGET, Budget
from rnn_jax.reporting.pages.collection import Collection
from rnn_jax.reporting.pages.comparison import (
    SEED,
    compared_keys,
    differing_keys,
    group_seeds,
    split_settings,
    value_of,
)
from rnn_jax.reporting.pages.reading import Run
from rnn_jax.runtime.errors import UserError

MAX_RUNS = 4_000
MAX_DETAILS = 300  # runs with facts and attachments
MAX_PARAMETERS = 12  # keys with a chart

Contents = dict[str, Any]


def build_contents(found: Collection, command: str, now: datetime) -> tuple[Contents, list[str]]:
    """Return the contents of the page, and a message for everything that is damaged.

    Args:
        found: the runs.
        command: reproduces the page.
        now: the date to show.
    """
    runs, curves, damaged, is_thinned = _read_curves(found)
    common, own = split_settings(runs)
    keys = differing_keys(own)
    columns = compared_keys(runs, keys)
    groups = group_seeds(runs, own, found.objective)
    parameters = _parameters(runs, columns, found.metric)
    budget = dict(BUDGET)
    contents = {
        "date": f"{now:%Y-%m-%d %H:%M %Z}".strip(),
        "command": command,
        "facts": facts.facts_of_all(found),
        "statuses": Counter(run.status for run in runs).most_common(),
        "best": facts.best_results(found._replace(runs=runs), own, columns),
        "metric": found.metric,
        "direction": None if found.objective is None else found.objective.direction,
        "units": _units(found),
        "damaged": damaged,
        "notes": _notes(found, runs, len(curves), is_thinned, len(columns), len(parameters)),
        "common": common,
        "keys": keys,
        "parameters": parameters[:MAX_PARAMETERS],
        "table": tables.table_of_runs(runs, columns, found.objective)._asdict(),
        "seeds": None
        if len(groups) == len(runs)
        else tables.table_of_groups(groups, columns, found.objective)._asdict(),
        "runs": [
            {
                "name": run.name,
                "status": run.status,
                "best_step": run.best_step,
                "metrics": run.metrics,
                "point": run.point,
                "own": own[place],
                "curves": curves.get(place, {}),
                **(_details(run, budget, damaged) if place < MAX_DETAILS else {}),
            }
            for place, run in enumerate(runs)
        ],
    }
    return contents, damaged


def _read_curves(found: Collection) -> tuple[list[Run], dict[int, Mapping[str, Any]], list[str], bool]:
    """The runs without those whose curves are damaged, and the curves of the best runs by index."""
    limit = attachments.curve_points(min(len(found.runs), attachments.MAX_CURVES))
    runs, curves, damaged, is_thinned = (
        list[Run](),
        dict[int, Mapping[str, Any]](),
        list(found.damaged),
        False,
    )
    for run in found.runs[:MAX_RUNS]:
        if len(curves) < attachments.MAX_CURVES:
            try:
                curves[len(runs)], shortened = attachments.curves(run, limit)
            except UserError as error:
                damaged.append(str(error))
                continue
            is_thinned = is_thinned or shortened
        runs.append(run)
    if not runs:
        raise UserError("\n".join(damaged[:2]))
    return runs, curves, damaged, is_thinned


def _units(found: Collection) -> dict[str, str]:
    """The unit of the loss, if all benchmarks have the same."""
    units = {TASKS[task].loss_unit if task in TASKS else None for task, _ in found.benchmarks}
    return {"loss": unit} if len(units) == 1 and (unit := units.pop()) is not None else {}


def _notes(
    found: Collection, runs: Sequence[Run], curves: int, is_thinned: bool, keys: int, drawable: int
) -> list[str]:
    """What the page leaves out: of `curves`, of `keys` in the table and of `drawable` keys in charts."""
    missing = sum(run.metric(found.metric) is None for run in runs)
    total, points = f"{len(runs):,} runs", f"{attachments.curve_points(curves):,} points"
    notes = [
        (len(found.runs) > MAX_RUNS, f"The page has the best {MAX_RUNS:,} of {len(found.runs):,} runs."),
        (curves < len(runs), f"The best {curves} of {total} have curves."),
        (
            len(runs) > MAX_DETAILS,
            f"The best {MAX_DETAILS} runs have details; the others do not.",
        ),
        (
            is_thinned,
            f"Curves with more than {points} are thinned: the smallest and the largest value of each chunk "
            "are kept, and every best step. Smoothing uses these points.",
        ),
        (keys > tables.MAX_KEYS, f"The table has {tables.MAX_KEYS} of {keys} differing keys."),
        (drawable > MAX_PARAMETERS, f"{MAX_PARAMETERS} of {drawable} differing keys have charts."),
        (
            drawable > 0 and missing > 0,
            f"{missing:,} of {total} have no validation {found.metric}, and no point in charts of keys.",
        ),
        (
            any(facts.is_in_population(run) for run in runs),
            "The time of models trained in one population is the whole population's.",
        ),
    ]
    return [note for applies, note in notes if applies]


def _details(run: Run, budget: Budget, damaged: list[str]) -> Contents:
    """Facts and attachments of a run; messages about damaged files are added to `damaged`."""

    def read(attachment: Callable[[Run, Budget], Contents]) -> Contents:
        try:
            return attachment(run, budget)
        except UserError as error:
            damaged.append(str(error))
            return {"note": str(error)}

    return {
        "facts": facts.facts_of(run),
        "command": facts.training_command(run),
        "confusion": read(attachments.confusion),
        "mistakes": read(attachments.mistakes),
        "samples": read(attachments.samples),
    }


def _parameters(runs: Sequence[Run], columns: Sequence[str], metric: str) -> list[Contents]:
    """The keys to draw against a validation metric, without the seed: their scale and the runs' values."""
    known = [run for run in runs if run.metric(metric) is not None]
    found = []
    for key in (key for key in columns if key != SEED):
        values = [value_of(run, key) for run in known]
        if len({str(value) for value in values}) > 1:
            all_values = [value_of(run, key) for run in runs]
            found.append({"key": key, "scale": scale_of(values), "values": all_values})
    return found
