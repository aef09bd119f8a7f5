"""Runs a sweep that is kept in a study: this process's part in it, and the results once all are there."""

import importlib.metadata
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_jax.config.schema import Config
from rnn_jax.datasets.description import describe
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.reporting.provenance import commit
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.signals import Stop
from rnn_jax.sweeping import closing, jobs, members
from rnn_jax.sweeping.command import Command, InStudy, parse
from rnn_jax.sweeping.folder import SweepFolder, comparable, content_of
from rnn_jax.sweeping.objective import with_objective
from rnn_jax.sweeping.run import Finished
from rnn_jax.sweeping.study.opening import open_study
from rnn_jax.sweeping.study.storage import without_password
from rnn_jax.sweeping.study.study import Study
from rnn_jax.sweeping.trial import Setting
from rnn_jax.sweeping.working import STORAGE, work, work_together
from rnn_jax.training.build import Job

PACKAGES = ("rnn-jax-research", "jax", "jaxlib", "flax", "optax", "optuna")
"""On whose versions the figures of a study depend."""


class UnfinishedError(UserError):
    """The workers of this process have ended, and the study has not."""

    exit_status = 1


def run(command: Command, workdir: Path, arguments: Sequence[str], console: Console) -> Finished:
    """Takes part in a study until all its trials have come to their end.

    Args:
        command: what was typed.
        workdir: the sweep's folder.
        arguments: as they were typed, for workers in processes of their own.
        console: where to speak.

    Raises:
        UserError: wrong input, or the database cannot be reached; its subclasses for checkpoints and storage.
        Interrupted: a signal asked to stop, and everything is saved.
    """
    began = time.perf_counter()
    in_study = _of(command)
    with Stop() as stop:
        with stop.at_once():
            data, study, setting = _join(command, workdir)
            _greet(console, command, data, study, setting)
        if in_study.workers == 1:
            work(study, setting, stop, console)
        else:
            statuses = work_together([*arguments, "--workdir", str(workdir)], in_study, stop)
            missing = study.missing()
            if missing:
                raise UnfinishedError(
                    f"all workers have ended (exit statuses {', '.join(map(str, statuses))}), and "
                    f"{missing} trials have not; the same command goes on"
                )
        rows, objective = closing.close(study.ended(), command, setting, stop, console)
    return Finished(rows, objective, time.perf_counter() - began)


def take_part(arguments: Sequence[str]) -> int:
    """A worker in a process of its own, which says nothing but of its trials; its exit status."""
    command, console = parse([*arguments, "--storage", os.environ[STORAGE]]), build_console()
    with Stop() as stop:
        assert command.workdir is not None
        with stop.at_once():
            _, study, setting = _join(command, command.workdir)
        work(study, setting, stop, console)
    return 0


def _join(command: Command, workdir: Path) -> tuple[str, Study, Setting]:
    """Looks whether all is there that trials need, and joins the study; what its data are, for people."""
    in_study, folder, known = _of(command), SweepFolder(workdir), command.members[0].config
    built = jobs.of_groups(members.groups(command.members))
    objective = with_objective(built[0], command.sweep.objective).task.objective
    study = open_study(
        in_study.url,
        in_study.name,
        command.sweep,
        members.points(command.sweep) if command.sweep.grid else [],
        content=comparable(content_of(command.base, command.sweep, in_study.name)) | _of_data(built, known),
        objective=objective,
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        commit=commit(),
        heartbeat_seconds=in_study.heartbeat_seconds,
    )
    folder.open(command.base, command.sweep, objective, in_study.name)
    study.share(folder.token(), str(workdir))
    is_run = command.sweep.seeds == 1 and objective == built[0].task.objective
    setting = Setting(folder, command.base, command.sweep, objective, is_run, known)
    return describe(built[0].data)["data"], study, setting


def _of_data(built: Sequence[Job], known: Config) -> dict[str, Any]:
    """What else the figures depend on, as each worker finds it."""
    found = dict.fromkeys(
        f"{job.data.name} {job.data.version}: "
        + ", ".join(f"{count} {split}" for split, count in job.data.counts.items())
        for job in built
    )
    return {"runtime.matmul_precision": known.runtime.matmul_precision, "the data": "; ".join(found)}


def _of(command: Command) -> InStudy:
    assert command.study is not None
    return command.study


def _greet(console: Console, command: Command, data: str, study: Study, setting: Setting) -> None:
    in_study, sweep = _of(command), command.sweep
    if study.begun_by is not None:
        console.warn(
            f"the study was begun by commit {study.begun_by}, and this is {commit()}: figures may not compare"
        )
    done = len(study.ended())
    drawn = "all of a grid" if sweep.grid else f"drawn by {sweep.sampler or 'tpe'}"
    pruned = "" if sweep.pruning is None else f", pruned by {sweep.pruning.kind}"
    workers = f"{in_study.workers} workers" if in_study.workers > 1 else "1 worker"
    console.header(
        {
            "data": data,
            "study": f"{in_study.name} in {without_password(in_study.url)}",
            "trials": f"{study.number}, {drawn}{pruned}" + (f"; {done} have ended" if done else ""),
            "varied": ", ".join(sweep.keys) + (f"; {sweep.seeds} seeds" if sweep.seeds > 1 else ""),
            "here": workers,
            "folder": str(setting.folder.path),
        }
    )
