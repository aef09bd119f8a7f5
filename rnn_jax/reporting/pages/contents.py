"""The contents of the page as plain values, which become JSON."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rnn_jax.catalogue import TASKS
from rnn_jax.reporting.charts import scale_of
from rnn_jax.reporting.pages import attachments, collection, facts, headline, tables
from rnn_jax.reporting.pages.attachments import BUDGET, MAX_CURVES, Budget, Curves
from rnn_jax.reporting.pages.collection import Collection
from rnn_jax.reporting.pages.reading import Run
from rnn_jax.runtime.errors import UserError

MAX_RUNS = 4_000
MAX_DETAILS = 300  # runs with facts and attachments
MAX_PARAMETERS = 12  # keys with a chart
SHOWN = ("name", "status", "best_step", "metrics", "point", "own")  # of every run

Contents = dict[str, Any]


def build_contents(collected: Collection, command: str, now: datetime) -> Contents:
    """Return the contents of the page; `damaged` has a message for everything that is damaged.

    `command` reproduces the page, `now` is the date to show.
    """
    found, curves, is_thinned = _read_curves(collected)
    common, runs = collection.split_settings(found.runs)
    found = found._replace(runs=runs)
    keys = collection.differing_keys(runs)
    columns = collection.compared_keys(runs, keys)
    if len(columns) > tables.MAX_KEYS:
        columns = headline.deciding_first(found, columns)
    groups = collection.ranked_groups(found)
    names = headline.short_names(found) if len(found.benchmarks) > 1 else {}
    by_seed = tables.table_of_groups(groups, columns, found.objective, names)
    parameters = _parameters(runs, columns, found.metric)
    units = {TASKS[each.task].loss_unit if each.task in TASKS else None for each in found.benchmarks}
    budget = dict(BUDGET)
    return {
        "date": f"{now:%Y-%m-%d %H:%M %Z}".strip(),
        "command": command,
        "facts": facts.facts_of_all(collected),
        "statuses": Counter(run.status for run in runs).most_common(),
        "best": headline.best_results(found, columns),
        "metric": found.metric,
        "direction": None if found.objective is None else found.objective.direction,
        "units": {} if len(units) > 1 or None in units else {"loss": units.pop()},
        "damaged": found.damaged,
        "notes": [
            *headline.merged_seeds(groups, found.metric),
            *_notes(found, len(collected.runs), is_thinned, len(columns), len(parameters)),
        ],
        "common": common,
        "keys": keys,
        "parameters": parameters[:MAX_PARAMETERS],
        "table": tables.table_of_runs(runs, columns, found.objective, names)._asdict(),
        "seeds": by_seed._asdict() if len(groups) < len(runs) else None,
        "runs": [
            {
                **{name: getattr(run, name) for name in SHOWN},
                "curves": curves[place] if place < len(curves) else {},
                **(_details(run, budget, found.damaged) if place < MAX_DETAILS else {}),
            }
            for place, run in enumerate(runs)
        ],
    }


def _read_curves(found: Collection) -> tuple[Collection, list[Curves], bool]:
    """The best runs but those whose curves are damaged, the curves of the first, and if any is thinned."""
    limit = attachments.curve_points(min(len(found.runs), MAX_CURVES))
    runs, curves, damaged, is_thinned = list[Run](), list[Curves](), list(found.damaged), False
    for run in found.runs[:MAX_RUNS]:
        try:
            if len(curves) < MAX_CURVES:
                points, is_shortened = attachments.curves(run, limit)
                curves.append(points)
                is_thinned = is_thinned or is_shortened
            runs.append(run)
        except UserError as error:
            damaged.append(str(error))
    if not runs:
        raise UserError("\n".join(damaged[:2]))
    return found._replace(runs=runs, damaged=damaged), curves, is_thinned


def _notes(found: Collection, total: int, is_thinned: bool, keys: int, drawable: int) -> list[str]:
    """What the page leaves out: of `total` runs, of `keys` in the table, of `drawable` keys in charts."""
    runs = f"{len(found.runs):,} runs"
    points = f"{attachments.curve_points(min(len(found.runs), MAX_CURVES)):,} points"
    missing = sum(run.metric(found.metric) is None for run in found.runs)
    notes = {
        f"The page has the best {MAX_RUNS:,} of {total:,} runs.": total > MAX_RUNS,
        f"The best {MAX_CURVES} of {runs} have curves.": len(found.runs) > MAX_CURVES,
        f"The best {MAX_DETAILS} runs have details; the others do not.": len(found.runs) > MAX_DETAILS,
        f"Curves with more than {points} are thinned: the smallest and the largest value of each chunk "
        "are kept, and every best step. Smoothing uses these points.": is_thinned,
        f"The table has {tables.MAX_KEYS} of {keys} differing keys.": keys > tables.MAX_KEYS,
        f"{MAX_PARAMETERS} of {drawable} differing keys have charts.": drawable > MAX_PARAMETERS,
        f"{missing:,} of {runs} have no validation {found.metric}, and no point in charts of keys.": drawable
        and missing,
        "The time of models trained in one population is the whole population's.": any(
            facts.is_in_population(run) for run in found.runs
        ),
    }
    return [note for note, applies in notes.items() if applies]


def _details(run: Run, budget: Budget, damaged: list[str]) -> Contents:
    """Facts and attachments of a run; messages about damaged files are added to `damaged`."""
    details: Contents = {"facts": facts.facts_of(run), "command": facts.training_command(run)}
    for attachment in (attachments.confusion, attachments.mistakes, attachments.samples):
        try:
            details[attachment.__name__] = attachment(run, budget)
        except UserError as error:
            damaged.append(str(error))
            details[attachment.__name__] = {"note": str(error)}
    return details


def _parameters(runs: Sequence[Run], columns: Sequence[str], metric: str) -> list[Contents]:
    """The keys to draw against a validation metric, without the seed: their scale and the runs' values."""
    found = []
    for key in columns:
        values = [run.value(key) for run in runs]
        known = [value for run, value in zip(runs, values, strict=True) if run.metric(metric) is not None]
        if key != collection.SEED and len(set(map(str, known))) > 1:
            found.append({"key": key, "scale": scale_of(known), "values": values})
    return found
