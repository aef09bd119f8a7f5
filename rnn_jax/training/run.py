"""A run from its config to its summary.

summary = train(load_config("configs/digits.py"), "runs/digits/first")
"""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from rnn_jax.checkpoints import store
from rnn_jax.config.run_folder import RunFolder, open_run, read_config
from rnn_jax.config.schema import Config, split_hyper, validate
from rnn_jax.datasets import dataset_info
from rnn_jax.datasets.dataset import describe
from rnn_jax.reporting import plots
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.runtime import devices
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed import joining
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.signals import Interrupted
from rnn_jax.training.build import Job, build
from rnn_jax.training.evaluate import evaluate
from rnn_jax.training.fit import Fitted, fit
from rnn_jax.training.meter import Display
from rnn_jax.training.program import Program, load
from rnn_jax.training.progress import DIVERGED
from rnn_jax.training.session import Run, Session, begin, open_files, open_session, synchronize
from rnn_jax.training.summary import constants


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
        `reason`, with everything saved) or 'diverged' (`reason` says where).

    Raises:
        UserError: wrong input, or another process trains in the folder; its subclasses for checkpoints and
            storage.
    """
    started = time.perf_counter()
    if not isinstance(config, Config):
        config, _ = validate(config)
    workdir, is_coordinator = Path(workdir), config.runtime.processes.is_coordinator
    if (earlier := _finished(workdir, config)) is not None:
        if is_coordinator:
            open_run(workdir, config)  # config.json has the values last given for keys that may differ
        return earlier
    console = (console or build_console()) if is_coordinator else Console()
    with open_session(config, workdir) as session:
        folder, stop, checkpoints = session.folder, session.stop, session.folder.checkpoints
        try:
            job, where = _prepare(config, session)
            display = Display(console, job)
            synchronizer = synchronize(config, job, where, checkpoints.parent, stop)
            with jax.default_matmul_precision(where.matmul_precision):
                with stop.raising():
                    program, constant = load(job, where), constants(job, where)
                    console.header(_header(job, constant, folder))
                    state, progress = begin(program, checkpoints, display, synchronizer)
                with open_files(
                    config,
                    program,
                    [folder],
                    checkpoints,
                    synchronizer,
                    constant=constant,
                    step=int(state.step),
                    progress=progress,
                    console=console,
                    display=display,
                    stop=stop,
                    started=started,
                ) as run:
                    return _conclude(program, fit(program, state, progress, run), run)
        except Interrupted as interrupted:
            return _interrupted_before_training(folder, interrupted)


def _finished(workdir: Path, config: Config) -> dict[str, Any] | None:
    """Return the summary of a run that is finished, unless it is to be trained for longer."""
    folder = RunFolder(workdir)
    if not folder.config.exists() or read_config(workdir).train != config.train:
        return None
    summary = folder.read_summary()
    return summary if summary is not None and summary.get("status") == "finished" else None


def _prepare(config: Config, session: Session) -> tuple[Job, Devices]:
    """Return the job and its devices; a run folder made for data that cannot be had is removed.

    Raises:
        Interrupted: a signal came. Once processes have joined, none leaves the others, which would wait.
    """
    processes, stop = config.runtime.processes, session.stop
    try:
        with stop.raising():
            joining.join(processes)
        with stop.raising() if processes.is_single else contextlib.nullcontext():
            job = build(config)
            is_trained = bool(store.steps(session.folder.checkpoints))
            dataset_info.save(job.data, session.folder, has_checkpoint=is_trained)
            sections, _ = split_hyper(config)
            rows, time_steps = job.batch_shape
            cores = devices.worthwhile_cores(rows // processes.count, time_steps)
            return job, devices.build_devices(cores, **sections["runtime"])
    except UserError:
        if session.is_new:
            session.folder.discard()
        raise


def _header(job: Job, constant: Mapping[str, Any], folder: RunFolder) -> dict[str, str]:
    return {
        **describe(job.data),
        "model": f"{job.network.name}, {constant['parameters']:,} parameters",
        "devices": constant["devices"],
        "run folder": str(folder.path),
    }


def _conclude(program: Program, fitted: Fitted, run: Run) -> dict[str, Any]:
    """Evaluate the test split with the best checkpoint, and write the summary."""
    summary, member, step = run.summaries[0], fitted.progress.members[0], fitted.step
    rate = fitted.meter.rate(step)
    if member.status == DIVERGED:
        return summary.write("diverged", step, member, rate, reason=member.reason)
    try:
        run.stop.check()
        tested = _test(program, fitted, run) if program.job.plan.settings.report_test else None
    except Interrupted as interrupted:
        return summary.write("interrupted", step, member, rate, reason=interrupted.signal.name)
    written = summary.write("finished", step, member, rate, tested=tested)
    plots.curves(run.folders[0].path, program.job.task.objective)
    return written


def _test(program: Program, fitted: Fitted, run: Run) -> dict[str, dict[str, float]]:
    """Return the metrics of the best checkpoint on the test splits, and log them.

    Raises:
        Interrupted: a signal came meanwhile; nothing was logged.
    """
    best = fitted.state
    if fitted.progress.members[0].best_step not in (None, fitted.step):  # None: no metric was ever finite
        best, _ = program.restore(store.find(run.checkpoints, "best"))
    tested = {
        split: evaluate(program, best.evaluated, split, run.stop.check) for split in program.job.data.tested
    }
    for split, found in tested.items():
        run.logs[0].metrics(fitted.step, split, found)
    return tested


def _interrupted_before_training(folder: RunFolder, interrupted: Interrupted) -> dict[str, Any]:
    """Write that a signal came before this process made an update."""
    before = folder.read_summary() or {"step": 0, "best": None, "test": None}
    summary = {**before, "status": "interrupted", "reason": interrupted.signal.name}
    folder.write_summary(summary)
    return summary
