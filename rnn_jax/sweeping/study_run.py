"""Runs a sweep as a study: this process's share of the trials, and the results once all have finished."""

import importlib.metadata
import os
import time
from collections.abc import Sequence
from typing import Any

from rnn_jax.config.schema import Config
from rnn_jax.datasets.dataset import describe
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.reporting.provenance import commit
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.sweeping import members, study_results
from rnn_jax.sweeping.command import Command, StudyOptions, parse
from rnn_jax.sweeping.folder import SweepFolder, study_content
from rnn_jax.sweeping.jobs import build_jobs, with_objective
from rnn_jax.sweeping.results import Results
from rnn_jax.sweeping.study.opening import open_study
from rnn_jax.sweeping.study.storage import hide_password
from rnn_jax.sweeping.study.study import Study
from rnn_jax.sweeping.trial import TrialSettings
from rnn_jax.sweeping.workers import STORAGE, run_workers, work
from rnn_jax.training.build import Job

PACKAGES = ("rnn-jax-research", "jax", "jaxlib", "flax", "optax", "optuna")
"""The packages on whose versions the metrics of a study depend."""


class UnfinishedError(UserError):
    """All workers of this process have ended before the study has finished."""

    exit_status = 1


def run_study(command: Command, options: StudyOptions, arguments: Sequence[str], console: Console) -> Results:
    """Train trials of a study until all have finished, here or elsewhere.

    Args:
        command: the parsed command line.
        options: the study.
        arguments: the command line, for worker processes.
        console: for messages.

    Raises:
        UserError: the input is invalid, or the database, a checkpoint or the disk fails.
        Interrupted: stopped by a signal; everything is saved.
    """
    began = time.perf_counter()
    with StopSignal() as stop:
        with stop.raising():
            data, study, settings = _join(command, options)
            _print_header(console, command, options, data, study)
        if options.workers == 1:
            work(study, settings, stop, console)
        else:
            statuses = run_workers([*arguments, "--workdir", str(command.workdir)], options, stop)
            if unfinished := study.num_unfinished():
                raise UnfinishedError(
                    f"all workers have ended (exit statuses {', '.join(map(str, statuses))}), and "
                    f"{unfinished} trials have not finished; the same command resumes them"
                )
        rows = study_results.write(study.finished(), command, settings, stop, console)
    return Results(rows, settings.objective, time.perf_counter() - began)


def run_worker(arguments: Sequence[str]) -> int:
    """Run a worker process, which prints only messages about its trials; return its exit status."""
    command, console = parse([*arguments, "--storage", os.environ[STORAGE]]), build_console()
    assert command.study is not None
    with StopSignal() as stop:
        with stop.raising():
            _, study, settings = _join(command, command.study)
        work(study, settings, stop, console)
    return 0


def _join(command: Command, options: StudyOptions) -> tuple[str, Study, TrialSettings]:
    """Check that trials can be trained here, and join the study; return also a line about the data."""
    base, sweep, folder = command.base, command.sweep, SweepFolder(command.workdir)
    reference = command.members[0].config
    jobs = build_jobs(members.groups(command.members))
    objective = with_objective(jobs[0], sweep.objective).task.objective
    study = open_study(
        options.url,
        options.name,
        sweep,
        members.points(sweep) if sweep.grid else [],
        content=study_content(base, sweep, options.name) | _data_content(jobs, reference),
        objective=objective,
        versions={name: importlib.metadata.version(name) for name in PACKAGES},
        commit=commit(),
        heartbeat_seconds=options.heartbeat_seconds,
    )
    folder.open(base, sweep, objective, options.name)
    study.require_folder(folder.token(), str(command.workdir))
    is_run = sweep.seeds == 1 and objective == jobs[0].task.objective
    return (
        describe(jobs[0].data)["data"],
        study,
        TrialSettings(folder, base, sweep, objective, is_run, reference),
    )


def _data_content(jobs: Sequence[Job], reference: Config) -> dict[str, Any]:
    """What else metrics depend on: every worker must find the same."""
    found = dict.fromkeys(
        f"{job.data.name} {job.data.version}: "
        + ", ".join(f"{count} {split}" for split, count in job.data.counts.items())
        for job in jobs
    )
    return {"runtime.matmul_precision": reference.runtime.matmul_precision, "the data": "; ".join(found)}


def _print_header(console: Console, command: Command, options: StudyOptions, data: str, study: Study) -> None:
    sweep = command.sweep
    if study.created_by is not None:
        console.warn(
            f"the study was created by commit {study.created_by}, and this is {commit()}: metrics may not be "
            "comparable"
        )
    num_finished = len(study.finished())
    sampled = "all points of a grid" if sweep.grid else f"sampled by {sweep.sampler or 'tpe'}"
    pruned = "" if sweep.pruner is None else f", pruned by {sweep.pruner.kind}"
    console.header(
        {
            "data": data,
            "study": f"{options.name} in {hide_password(options.url)}",
            "trials": f"{study.num_trials}, {sampled}{pruned}"
            + (f"; {num_finished} have finished" if num_finished else ""),
            "varied": ", ".join(sweep.keys) + (f"; {sweep.seeds} seeds" if sweep.seeds > 1 else ""),
            "here": f"{options.workers} workers" if options.workers > 1 else "1 worker",
            "folder": str(command.workdir),
        }
    )
