"""Opening a study: the first worker creates it, all others join it with the same settings."""

import json
import time
from collections.abc import Mapping
from typing import Any

import optuna
from optuna import pruners

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping.definition import Pruner, Sweep
from rnn_jax.sweeping.folder import differences
from rnn_jax.sweeping.study.search_space import Point
from rnn_jax.sweeping.study.storage import StudyStorageError, connect, hide_password, translate_storage_errors
from rnn_jax.sweeping.study.study import Study

SETTINGS = "settings"
"""User attribute of a study: what its creator recorded, under these keys."""
CONTENT, HEARTBEAT, VERSIONS, COMMIT = "content", "heartbeat", "versions", "commit"
SETTINGS_TIMEOUT_SECONDS = 10
"""A creator that has not recorded the settings by then has died, and the next worker does."""


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
    """Create the study `name` in the database at `url`, or join it.

    Args:
        points: all points of a grid; empty for ranges.
        content: values by key that every worker must have in common.
        objective: the validation metric that decides.
        versions: of the packages that results depend on, by name.
        commit: of this software; None if unknown.
        heartbeat_seconds: interval between the heartbeats of a running trial.

    Raises:
        UserError: the database cannot be reached, or the study has other settings: the message names them.
    """
    storage, place = connect(url, heartbeat_seconds), hide_password(url)
    content = {**content, "objective": objective.metric}
    settings = {CONTENT: content, HEARTBEAT: heartbeat_seconds, VERSIONS: dict(versions), COMMIT: commit}
    settings = json.loads(json.dumps(settings))  # as the database returns it
    direction = "maximize" if objective.direction == "max" else "minimize"
    try:
        with translate_storage_errors():
            try:
                study = optuna.create_study(storage=storage, study_name=name, direction=direction)
                there = None
            except optuna.exceptions.DuplicatedStudyError:
                study = optuna.load_study(storage=storage, study_name=name)
                there = _recorded_settings(study)
            if there is None:
                study.set_user_attr(SETTINGS, settings)
            else:
                _require_same_settings(there, settings, f"study {name} in {place}")
    except StudyStorageError as error:
        raise UserError(f"--storage {place}: {error}") from error
    study.pruner = _build_pruner(sweep.pruner)
    created_by = (there or settings).get(COMMIT)
    differs = None not in (created_by, commit) and created_by != commit
    return Study(study, sweep, points, heartbeat_seconds, created_by if differs else None)


def _recorded_settings(study: optuna.Study) -> dict[str, Any] | None:
    """What the creator of a study recorded; None if it died before it did."""
    end = time.monotonic() + SETTINGS_TIMEOUT_SECONDS
    while (settings := study.user_attrs.get(SETTINGS)) is None and time.monotonic() < end:
        if study.get_trials(deepcopy=False):
            raise UserError(
                f"study {study.study_name}: not created by this version of rnn_jax; give another --study"
            )
        time.sleep(0.2)
    return settings


def _require_same_settings(there: dict[str, Any], here: dict[str, Any], study: str) -> None:
    if versions := differences(there[VERSIONS], here[VERSIONS]):
        raise UserError(
            f"{study} has other versions: {versions}\n"
            "its metrics would not be comparable; install those versions, or give another --study"
        )
    if content := differences(there[CONTENT], here[CONTENT]):
        raise UserError(f"{study} has another sweep: {content}\ngive another --study, or that sweep")
    if there[HEARTBEAT] != here[HEARTBEAT]:
        raise UserError(
            f"{study} has --heartbeat {there[HEARTBEAT]}, not {here[HEARTBEAT]}: all workers need the same"
        )


def _build_pruner(pruner: Pruner | None) -> pruners.BasePruner:
    if pruner is None:
        return pruners.NopPruner()
    if pruner.kind == "halving":
        return pruners.SuccessiveHalvingPruner(min_resource=pruner.min_evaluations)
    if pruner.kind == "hyperband":
        return pruners.HyperbandPruner(min_resource=pruner.min_evaluations)
    return pruners.PercentilePruner(
        50.0 if pruner.percentile is None else pruner.percentile,
        n_warmup_steps=pruner.min_evaluations,
        interval_steps=pruner.interval_evaluations or 1,
    )
