"""Runs a sweep as a study: this process's share of the trials, and the results once all have finished.

`python -m rnn_jax.sweeping.study_run`, with the arguments of a sweep, is a worker process.
"""

import importlib.metadata
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.datasets.dataset import describe
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.reporting.log import read_lines
from rnn_jax.reporting.provenance import commit
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.errors import CheckpointError, UserError
from rnn_jax.runtime.lock import waiting_lock
from rnn_jax.runtime.signals import Interrupted, StopSignal
from rnn_jax.sweeping import members, results
from rnn_jax.sweeping.command import Command, StudyOptions, parse, without
from rnn_jax.sweeping.folder import SweepFolder, comparable_values, sweep_content
from rnn_jax.sweeping.results import Row
from rnn_jax.sweeping.run import build_jobs, describe_data
from rnn_jax.sweeping.study.storage import hide_password
from rnn_jax.sweeping.study.study import Study, open_study
from rnn_jax.sweeping.study.trials import FinishedTrial
from rnn_jax.sweeping.trial import FOLDER, RESULTS, TrialSettings, work
from rnn_jax.sweeping.trial_process import CHILD
from rnn_jax.training.progress import DIVERGED

# On their versions the metrics of a study depend.
PACKAGES = ("rnn-jax-research", "jax", "jaxlib", "flax", "optax", "optuna")
LOCK = ".closing"
STORAGE = "RNN_JAX_STORAGE"  # environment variable of worker processes: the URL of the database


class UnfinishedError(UserError):
    """All workers of this process have ended before the study has finished."""

    exit_status = 1


def run_study(
    command: Command, options: StudyOptions, arguments: Sequence[str], console: Console
) -> tuple[list[Row], Objective]:
    """Train trials of a study until all have finished, here or elsewhere; `arguments` are for the workers.

    Returns a row per seed of each trial, and the objective. If a signal interrupts this, everything is saved.
    """
    with StopSignal() as stop:
        with stop.raising():
            data, study, settings = _join(command, options)
            _print_header(console, command, options, data, study)
        if options.workers == 1:
            work(study, settings, stop, console)
        else:
            statuses = run_workers([*arguments, "--workdir", str(command.workdir)], options, stop)
            if unfinished := study.num_unfinished():
                ended = f"all workers have ended (exit statuses {', '.join(map(str, statuses))})"
                trials = f"{unfinished} trials have not finished; the same command resumes them"
                raise UnfinishedError(f"{ended}, and {trials}")
        return _write_results(study, settings, stop, console), settings.objective


def run_workers(arguments: Sequence[str], options: StudyOptions, stop: StopSignal) -> list[int]:
    """Run several worker processes, with the arguments of a sweep; return their exit statuses.

    If a signal interrupts this, all workers receive SIGTERM.
    """
    command = [sys.executable, *CHILD, str(os.getpid()), "sweeping.study_run", *without(arguments, "storage")]
    # All users can see a process's arguments, so the URL with its password is in the environment.
    environment = {**os.environ, STORAGE: options.url}
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    processes = []
    for number in range(options.workers):
        # In sessions of their own: Ctrl-C reaches only this process, which then stops them.
        process = subprocess.Popen(command, start_new_session=True, env=environment)
        processes.append(process)
        if cores:  # disjoint, if there are enough
            os.sched_setaffinity(process.pid, cores[number % len(cores) :: options.workers])
    terminated = False
    while any(process.poll() is None for process in processes):
        if stop.requested is not None and not terminated:
            terminated = True
            for process in processes:
                process.terminate()
        time.sleep(0.1)
    if stop.requested is not None:
        raise Interrupted(stop.requested)
    return [process.returncode for process in processes]


def _run_worker(arguments: Sequence[str]) -> None:
    """Run a worker process, which prints only messages about its trials."""
    command, console = parse([*arguments, "--storage", os.environ[STORAGE]]), build_console()
    assert command.study is not None
    with StopSignal() as stop:
        with stop.raising():
            _, study, settings = _join(command, command.study)
        work(study, settings, stop, console)


def _join(command: Command, options: StudyOptions) -> tuple[str, Study, TrialSettings]:
    """Check that trials can be trained here, and join the study; return also a line about the data."""
    base, sweep, folder = command.base, command.sweep, SweepFolder(command.workdir)
    jobs = build_jobs(members.groups(command.members))
    objective = jobs[0].task.objective
    data = describe_data(jobs)
    folder.check_data(data)
    content = comparable_values(sweep_content(base, sweep, options.name))
    content["runtime.matmul_precision"] = command.members[0].config.runtime.matmul_precision
    content["the data"] = data
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    recorded = {"content": content, "versions": versions, "commit": commit()}
    study = open_study(options, sweep, members.points(sweep) if sweep.grid else [], objective, recorded)
    folder.open(base, sweep, objective, options.name, data)
    study.require_folder(folder.token(), str(command.workdir))
    return describe(jobs[0].data)["data"], study, TrialSettings(command, objective, is_run=sweep.seeds == 1)


def _print_header(console: Console, command: Command, options: StudyOptions, data: str, study: Study) -> None:
    sweep, created_by, num_finished = command.sweep, study.created_by, len(study.finished())
    if created_by is not None:
        commits = f"the study was created by commit {created_by}, and this is {commit()}"
        console.warn(f"{commits}: metrics may not be comparable")
    trials = f"{study.num_trials}, "
    trials += "all points of a grid" if sweep.grid else f"sampled by {sweep.sampler or 'tpe'}"
    trials += f", pruned by {sweep.pruner.kind}" if sweep.pruner else ""
    trials += f"; {num_finished} have finished" if num_finished else ""
    rows = {
        "data": data,
        "study": f"{options.name} in {hide_password(options.url)}",
        "trials": trials,
        "varied": ", ".join(sweep.keys) + (f"; {sweep.seeds} seeds" if sweep.seeds > 1 else ""),
        "here": f"{options.workers} workers" if options.workers > 1 else "1 worker",
    }
    console.header({**rows, "folder": str(command.workdir)})


def _write_results(study: Study, settings: TrialSettings, stop: StopSignal, console: Console) -> list[Row]:
    """Evaluate the winner on test, and write the results; return a row per seed of each trial.

    Every worker's command does this, one after another: the later ones find the test metrics.
    """
    trials, command, objective = study.finished(), settings.command, settings.objective
    folder = SweepFolder(command.workdir)
    with waiting_lock(folder.path / LOCK, stop.check):
        rows = _rows(trials, settings)
        earlier = {row.get(FOLDER): row for row in read_lines(folder.results)}
        for row in rows:
            before = earlier.get(row[FOLDER], {})
            if before.get("test") is not None and before["best"] == row["best"]:
                row["test"] = before["test"]
        for row in results.rows_to_test(rows, objective, command):
            seeds = members.build_members(command.base, command.sweep, "the winner", at=[row["point"]])
            config = next(member.config for member in seeds if member.seed == row["seed"])
            try:
                row.update(results.evaluate_test(config, RunFolder(folder.path / row[FOLDER]), stop.check))
            except CheckpointError as error:
                console.warn(f"the winner is not evaluated on test: {error}")
        results.write_report(rows, objective, command)
    return rows


def _rows(trials: Sequence[FinishedTrial], settings: TrialSettings) -> list[Row]:
    command, rows, nothing = settings.command, list[Row](), {"step": 0, "best": None, "test": None}
    for trial in trials:
        folder = trial.attributes.get(FOLDER)
        for seed, summary in enumerate(trial.attributes.get(RESULTS) or [nothing] * command.sweep.seeds):
            row = {**nothing, **summary, "member": len(rows), "trial": trial.number, "point": trial.point}
            row["seed"] = command.base.sections["train"]["seed"] + seed
            row[FOLDER] = folder if settings.is_run else f"{folder}/members/{seed}"
            if trial.status == "failed" and summary.get("status") != DIVERGED:
                row |= {"status": "failed", "reason": trial.reason}
            elif trial.status == "pruned":
                row |= {"status": "pruned", "reason": "pruned by the study"}
            rows.append(row)
    return rows


if __name__ == "__main__":
    with run_command(long_running=True) as worker:
        _run_worker(worker.arguments)
    sys.exit(worker.exit_status)
