"""A run from its config to its summary, and a population in the run folders of its members.

summary = train(load_config("configs/digits.py"), "runs/digits/first")
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rnn_jax.checkpoints import store
from rnn_jax.config.run_folder import RunFolder, check_run, open_run, read_config
from rnn_jax.config.schema import Config, validate
from rnn_jax.datasets import dataset_info
from rnn_jax.reporting import charts
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.runtime import devices
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed import joining
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path
from rnn_jax.runtime.signals import Interrupted, StopSignal
from rnn_jax.training.build import Job, build
from rnn_jax.training.fit import fit
from rnn_jax.training.meter import Display
from rnn_jax.training.population import population
from rnn_jax.training.population.display import SweepDisplay
from rnn_jax.training.population.population import Trainable
from rnn_jax.training.population.pruning import Halving
from rnn_jax.training.population.steps import Members
from rnn_jax.training.program import load
from rnn_jax.training.progress import DIVERGED, PRUNED, RUNNING, MemberStatus, Progress
from rnn_jax.training.session import Run, begin, open_session, reopen

STATUSES = {RUNNING: "interrupted", PRUNED: "pruned", DIVERGED: "diverged"}
"""What summary.json calls the status of a member that has ended; others are finished."""


def train(
    config: Config | Mapping[str, Any], workdir: str | Path, *, console: Console | None = None
) -> dict[str, Any]:
    """Train what a config describes, or resume it where the run folder has a checkpoint.

    Args:
        config: the config, as `load_config` reads it.
        workdir: the run folder.
        console: where to report; None: standard output.

    Returns:
        The summary, as stored in summary.json. Its `status` is 'finished', 'interrupted' (by the signal in
        `reason`, with everything saved) or 'diverged' (`reason` has the update).

    Raises:
        UserError: wrong input, or another process trains in the folder; its subclasses for checkpoints and
            storage.
    """
    started = time.perf_counter()
    if not isinstance(config, Config):
        config, _ = validate(config)
    workdir, is_coordinator = user_path(workdir), config.runtime.processes.is_coordinator
    if (earlier := _finished(workdir, config)) is not None:
        check_run(workdir, config)
        dataset_info.check_version(build(config).data, RunFolder(workdir))
        if is_coordinator:
            open_run(workdir, config)  # config.json has the values last given for keys that may differ
        return earlier
    console = (console or build_console()) if is_coordinator else Console()
    finish = None
    if config.dataset.is_cross_validated:
        from rnn_jax.training.cross_validation import last_job, train_folds  # which trains by this function

        folds, ended = train_folds(config, workdir, console)
        if ended is not None:
            return ended
        finish = partial(last_job, config=config, folds=folds)
        started = time.perf_counter()
    with open_session(config, workdir) as (folder, stop, is_new):
        try:
            job, where = _prepare(config, folder, stop, is_new)
            if is_coordinator:
                reopen(folder, config)
            if finish is not None:
                job = finish(job)
            display, checkpoints = Display(console, job), folder.checkpoints
            with begin(config, job, where, load, [folder], checkpoints, display, stop, started) as begun:
                program, state, progress, run = begun
                state, progress = fit(program, state, progress, run)
                return _conclude(program, state, progress, run)
        except Interrupted as interrupted:  # before training
            before = folder.read_summary() or {"step": 0, "best": None, "test": None}
            summary = {**before, "status": "interrupted", "reason": interrupted.signal.name}
            folder.write_summary(summary)
            return summary


def train_population(
    config: Config,
    job: Job,
    where: Devices,
    members: Members,
    folders: Sequence[RunFolder],
    checkpoints: Path,
    display: SweepDisplay,
    stop: StopSignal,
    halving: Halving,
) -> list[tuple[MemberStatus, dict[str, Any]]]:
    """Train all members to their end, or until a signal; resume where the folder has a checkpoint.

    `config`, of the first member, describes `job`. The run folder of each member exists; `checkpoints` is the
    folder of the checkpoints of all members together. Return the status of each member, 'running' where a
    signal came, and its summary; times are the population's. Raises what `begin` and `fit` raise.
    """
    started = time.perf_counter()
    load = partial(population.load, members=members)
    begun = begin(config, job, where, load, folders, checkpoints, display, stop, started, halving)
    with begun as (program, state, progress, run):
        _, progress = fit(program, state, progress, run)
        rate = run.meter.rate()
        ended = []
        for summary, member in zip(run.summaries, progress.members, strict=True):
            status = STATUSES.get(member.status, "finished")
            ended.append((member, summary.write(status, member.step, member, rate, reason=member.reason)))
        return ended


def _finished(workdir: Path, config: Config) -> dict[str, Any] | None:
    """Return the summary of a run that is finished, unless it is to be trained for longer."""
    folder = RunFolder(workdir)
    if not folder.config.exists() or read_config(workdir).train != config.train:
        return None
    summary = folder.read_summary() or {}
    return summary if summary.get("status") == "finished" else None


def _prepare(config: Config, folder: RunFolder, stop: StopSignal, is_new: bool) -> tuple[Job, Devices]:
    """Return the job and its devices; a new run folder, for data that cannot be had, is removed."""
    processes = config.runtime.processes
    try:
        with stop.raising():
            joining.join(processes)
        # Once processes have joined, a signal ends none of them: the others would wait.
        with stop.raising() if processes.is_single else contextlib.nullcontext():
            job = build(config)
            dataset_info.save(job.data, folder, has_checkpoint=bool(store.steps(folder.checkpoints)))
            rows, time_steps = job.batch_shape
            cores = devices.worthwhile_cores(rows // processes.count, time_steps)
            return job, devices.build_devices(cores, **config.runtime.model_dump())
    except UserError:
        if is_new:
            folder.discard()
        raise


def _conclude(program: Trainable, state: Any, progress: Progress, run: Run) -> dict[str, Any]:
    """Evaluate the test split with the best checkpoint, and write the summary."""
    summary, member, step = run.summaries[0], progress.members[0], int(state.step)
    rate = run.meter.rate()
    if member.status == DIVERGED:
        return summary.write("diverged", step, member, rate, reason=member.reason)
    try:
        run.stop.check()
        tested = {}
        if program.job.plan.settings.report_test:
            if member.best_step not in (None, step):  # None: no metric was ever finite
                state, _ = program.restore(store.find(run.checkpoints, "best"))
            for split in program.job.data.tested:
                tested[split] = program.evaluate_members(state, split, run.stop.check)[0]
    except Interrupted as interrupted:
        return summary.write("interrupted", step, member, rate, reason=interrupted.signal.name)
    for split, found in tested.items():
        run.logs[0].metrics(step if member.best_step is None else member.best_step, split, found)
    written = summary.write("finished", step, member, rate, tested=tested)
    charts.curves(run.folders[0].path, program.job.task.objective)
    return written
