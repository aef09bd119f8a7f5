"""Opening a study: the first worker creates it, all others join it if they mean the same."""

import json
import time
from collections.abc import Mapping
from typing import Any, Literal

from rnn_jax.config.messages import shown
from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.definition import Pruning, Sweep
from rnn_jax.sweeping.study.reaching import StudyStorageError, reached
from rnn_jax.sweeping.study.spaces import Point
from rnn_jax.sweeping.study.storage import connect, without_password
from rnn_jax.sweeping.study.study import Study

SAID = "said"
"""Under which a study keeps what its creator said: values by key, heartbeats and versions."""
SAID_IN_SECONDS = 10
"""A creator that has not said it after so long has died; then the next one does."""
HEARTBEAT, VERSIONS, COMMIT = "heartbeat", "versions", "commit"


def open_study(
    url: str,
    name: str,
    sweep: Sweep,
    points: list[Point],
    *,
    content: Mapping[str, Any],
    objective: Objective,
    versions: Mapping[str, str],
    commit: str | None = None,
    heartbeat_seconds: int,
) -> Study:
    """Creates a study in a database, or joins it.

    Args:
        url: of the database.
        name: of the study.
        sweep: what is varied, and how many trials there are to be.
        points: of a grid, all of them; of ranges, none.
        content: what the study is of, values by key: a worker that joins must have the same.
        objective: the validation metric that decides.
        versions: of the packages that its results depend on, by name.
        commit: of this software; None: it is not known.
        heartbeat_seconds: how often a worker says that it is at work.

    Raises:
        UserError: the database cannot be reached, or the study there is of something else: what differs is
            named.
    """
    storage = connect(url, heartbeat_seconds)
    content = {**content, "objective": objective.metric}
    said = {"content": content, HEARTBEAT: heartbeat_seconds, VERSIONS: dict(versions), COMMIT: commit}
    said = json.loads(json.dumps(said))  # as it comes back from the database
    direction = "maximize" if objective.direction == "max" else "minimize"
    try:
        with reached():
            study = _create_or_load(storage, name, direction, said, without_password(url))
    except StudyStorageError as error:
        raise UserError(f"--storage {without_password(url)}: {error}") from error
    study.pruner = _pruner(sweep.pruning)
    begun_by = study.user_attrs[SAID].get(COMMIT)
    is_other = None not in (begun_by, commit) and begun_by != commit
    return Study(study, sweep, points, heartbeat_seconds, begun_by if is_other else None)


def _create_or_load(
    storage: Any, name: str, direction: Literal["maximize", "minimize"], said: dict[str, Any], place: str
) -> Any:
    import optuna

    try:
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
        study.set_user_attr(SAID, said)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
        there = _said(study)
        if there is None:
            study.set_user_attr(SAID, said)
        else:
            _refuse_differences(there, said, f"study {name} in {place}")
    return study


def _said(study: Any) -> dict[str, Any] | None:
    """What the creator of a study said; None: it died before it did."""
    end = time.monotonic() + SAID_IN_SECONDS
    while (said := study.user_attrs.get(SAID)) is None and time.monotonic() < end:
        if study.get_trials(deepcopy=False):
            raise UserError(f"study {study.study_name}: not one of rnn_jax.sweep's; give another --study")
        time.sleep(0.2)
    return said


def _refuse_differences(there: dict[str, Any], here: dict[str, Any], what: str) -> None:
    differing = _differing(there[VERSIONS], here[VERSIONS])
    if differing:
        raise UserError(
            f"{what} is of other versions: {'; '.join(differing)}\n"
            "its figures would not compare; install those, or give another --study"
        )
    differing = _differing(there["content"], here["content"])
    if differing:
        raise UserError(
            f"{what} is of another sweep: {'; '.join(differing)}\ngive another --study, or that sweep"
        )
    if there[HEARTBEAT] != here[HEARTBEAT]:
        raise UserError(
            f"{what} has --heartbeat {there[HEARTBEAT]}, and here is {here[HEARTBEAT]}: all its workers need "
            "the same"
        )


def _differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} is {shown(there.get(key))} there and {shown(here.get(key))} here"
        for key in dict.fromkeys([*there, *here])
        if there.get(key) != here.get(key)
    ]


def _pruner(pruning: Pruning | None) -> Any:
    from optuna import pruners

    if pruning is None:
        return pruners.NopPruner()
    if pruning.kind == "halving":
        return pruners.SuccessiveHalvingPruner(min_resource=pruning.from_evaluation)
    if pruning.kind == "hyperband":
        return pruners.HyperbandPruner(min_resource=pruning.from_evaluation)
    return pruners.PercentilePruner(
        100 * (pruning.keep or 0.5),
        n_warmup_steps=pruning.from_evaluation,
        interval_steps=pruning.every_evaluations or 1,
    )
