"""What the page shows, as plain values that become JSON."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rnn_jax.reporting.pages import drawn, identity, subjects, tables
from rnn_jax.reporting.pages.collect import Collection
from rnn_jax.reporting.pages.differences import SEED, compared, differing, divide, scale_of, value_of
from rnn_jax.reporting.pages.reading import Run
from rnn_jax.runtime.errors import UserError

MOST_RUNS = 4_000  # that the page knows of
MOST_DETAILS = 300  # runs that are told at length
MOST_PARAMETERS = 12  # keys that are drawn

Contents = dict[str, Any]


def build(found: Collection, command: str, made: datetime) -> tuple[Contents, list[str]]:
    """What the page shows, and the lines of all that is damaged.

    Args:
        found: the runs.
        command: that makes the page again.
        made: now.
    """
    runs, with_curves, damaged, thinned = _with_curves(found)
    common, own = divide(runs)
    keys = differing(own)
    columns = compared(runs, keys)
    parameters = _parameters(runs, columns, found.objective.metric)
    notes = [
        *_notes(found, len(runs), len(with_curves), thinned),
        *_notes_on_keys(runs, columns, parameters, found.objective.metric),
    ]
    rooms = drawn.rooms()
    contents = {
        "made": f"{made:%Y-%m-%d %H:%M %Z}".strip(),
        "command": command,
        "facts": identity.of_all(found),
        "statuses": identity.statuses(runs),
        "best": identity.best(found._replace(runs=runs), own, columns),
        "objective": found.objective.entries[0],
        "units": subjects.units(found.subjects),
        "damaged": damaged,
        "notes": notes,
        "common": common,
        "keys": keys,
        "parameters": parameters[:MOST_PARAMETERS],
        "table": tables.of_runs(runs, columns, found.objective)._asdict(),
        "seeds": _as_dict(tables.over_seeds(runs, own, columns, found.objective)),
        "runs": [
            {
                **_head(run),
                "own": settings,
                "curves": with_curves.get(place, {}),
                **(_details(run, rooms, damaged) if place < MOST_DETAILS else {}),
            }
            for place, (run, settings) in enumerate(zip(runs, own, strict=True))
        ],
    }
    return contents, damaged


def _with_curves(found: Collection) -> tuple[list[Run], dict[int, Mapping[str, Any]], list[str], bool]:
    """The runs without those of which the curves are damaged, and the curves of the best by their places."""
    most = drawn.points_of_a_curve(min(len(found.runs), drawn.MOST_CURVES))
    runs, curves, damaged, thinned = list[Run](), dict[int, Mapping[str, Any]](), list(found.damaged), False
    for run in found.runs[:MOST_RUNS]:
        if len(curves) < drawn.MOST_CURVES:
            try:
                curves[len(runs)], shorter = drawn.curves(run, most)
            except UserError as error:
                damaged.append(str(error))
                continue
            thinned = thinned or shorter
        runs.append(run)
    if not runs:
        raise UserError("\n".join(damaged[:2]))
    return runs, curves, damaged, thinned


def _notes(found: Collection, shown: int, with_curves: int, thinned: bool) -> list[str]:
    notes = []
    if len(found.runs) > MOST_RUNS:
        notes.append(f"{len(found.runs):,} runs were found; the best {MOST_RUNS:,} are in this page.")
    if with_curves < shown:
        notes.append(f"Curves are drawn for the best {with_curves} of {shown:,} runs.")
    if shown > MOST_DETAILS:
        notes.append(f"The best {MOST_DETAILS} runs are told at length; of the others, figures and config.")
    if thinned:
        most = drawn.points_of_a_curve(with_curves)
        notes.append(
            f"Curves of more than {most:,} points are thinned: of each stretch, the smallest and the largest "
            "value are drawn, and every best step. Smoothing is of what is drawn."
        )
    return notes


def _notes_on_keys(
    runs: Sequence[Run], columns: Sequence[str], parameters: Sequence[Contents], figure: str
) -> list[str]:
    notes = []
    if len(columns) > tables.MOST_KEYS:
        notes.append(f"The table has {tables.MOST_KEYS} of {len(columns)} keys in which runs differ.")
    if len(parameters) > MOST_PARAMETERS:
        notes.append(f"Of {len(parameters)} keys that were varied, {MOST_PARAMETERS} are drawn.")
    without = sum(figure not in run.figures["validation"] for run in runs)
    if parameters and without:
        notes.append(
            f"{without:,} of {len(runs):,} runs have no validation {figure}, and no point over keys."
        )
    if any(identity.shares_a_program(run) for run in runs):
        notes.append("The time of models that were trained at once, as one program, is that of the program.")
    return notes


def _head(run: Run) -> Contents:
    return {
        "name": run.name,
        "status": run.status,
        "best_step": run.best_step,
        "figures": run.figures,
        "point": run.point,
    }


def _details(run: Run, rooms: drawn.Rooms, damaged: list[str]) -> Contents:
    """What is told of a run at length; a line for each file that is damaged is added to `damaged`."""

    def told(draw: Callable[[Run, drawn.Room], Contents], room: drawn.Room) -> Contents:
        try:
            return draw(run, room)
        except UserError as error:
            damaged.append(str(error))
            return {"note": str(error)}

    return {
        "facts": identity.of_run(run),
        "command": identity.command_of(run),
        "evaluation": identity.evaluation_of(run),
        "confusion": told(drawn.confusion, rooms.cells),
        "mistakes": told(drawn.mistakes, rooms.pictures),
        "samples": told(drawn.samples, rooms.samples),
    }


def _parameters(runs: Sequence[Run], columns: Sequence[str], figure: str) -> list[Contents]:
    """The keys that can be drawn against a validation figure, but for the seed, and on which axis."""
    known = [run for run in runs if figure in run.figures["validation"]]
    found = []
    for key in (key for key in columns if key != SEED):
        values = [value_of(run, key) for run in known]
        if len({str(value) for value in values}) > 1:
            found.append(
                {"key": key, "scale": scale_of(values), "values": [value_of(run, key) for run in runs]}
            )
    return found


def _as_dict(table: tables.Table | None) -> Contents | None:
    return None if table is None else table._asdict()
