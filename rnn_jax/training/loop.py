"""A run from its config to its summary: set up, trained (see `cadence.py`), tested, drawn.

summary = train(load_config("configs/digits.py"), "runs/digits/first")
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from rnn_jax.datasets.description import describe
from rnn_jax.reporting import figures, log
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.runtime import devices
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.errors import UserError, as_user_error
from rnn_jax.runtime.files import while_running
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.run_folder import RunFolder, make_folder, open_run, read_config, sweep_of
from rnn_jax.runtime.schema import Config, split_hyper, validate
from rnn_jax.runtime.signals import Interrupted, Stop
from rnn_jax.training import checkpoint, keeping, known_data, memory
from rnn_jax.training.build import Job, build
from rnn_jax.training.cadence import Loop, Run
from rnn_jax.training.evaluate import evaluate
from rnn_jax.training.meter import Meter
from rnn_jax.training.program import Feed, Program, load
from rnn_jax.training.progress import Progress
from rnn_jax.training.saver import Saver
from rnn_jax.training.state import State
from rnn_jax.training.summary import Summary, count_parameters


def train(
    config: Config | Mapping[str, Any], workdir: str | Path, *, console: Console | None = None
) -> dict[str, Any]:
    """Trains what a config describes, or goes on with it where the run folder has a checkpoint.

    Args:
        config: the config, as `load_config` reads it.
        workdir: the run folder.
        console: where to speak; None: standard output.

    Returns:
        The summary, as summary.json has it. Its `status` is 'finished', 'interrupted' (a signal came, which
        `reason` names, and everything is saved) or 'diverged' (`reason` says where).

    Raises:
        UserError: wrong input, or another process trains in the folder; its subclasses for checkpoints and
            storage.
    """
    started = time.perf_counter()
    if not isinstance(config, Config):
        config, _ = validate(config)
    workdir, console = Path(workdir), build_console() if console is None else console
    if (earlier := _finished(workdir, config)) is not None:
        open_run(workdir, config)  # where it may differ, the folder has the config that was given last
        return earlier
    is_new = not RunFolder(workdir).config.exists()
    make_folder(workdir)
    with Stop() as stop, _held(workdir), memory.telling(config):
        _begin_again(RunFolder(workdir))
        folder = open_run(workdir, config)
        try:
            with stop.at_once():
                try:
                    job = build(config)
                    known_data.keep(job, folder)
                    sections, _ = split_hyper(config)
                    where = devices.build(devices.paying_cores(*job.batch_shape), **sections["runtime"])
                except UserError:
                    if is_new:
                        folder.discard()
                    raise
            return _train(config, job, where, folder, console, stop, started)
        except Interrupted as interrupted:
            return _interrupted_before_training(folder, interrupted)


def _finished(workdir: Path, config: Config) -> dict[str, Any] | None:
    """The summary of a run that is finished and not to be lengthened."""
    folder = RunFolder(workdir)
    if not folder.config.exists() or read_config(workdir).train != config.train:
        return None
    summary = folder.read_summary()
    return summary if summary is not None and summary.get("status") == "finished" else None


@contextlib.contextmanager
def _held(workdir: Path) -> Iterator[None]:
    """Locks a run folder; and of a member of a sweep the sweep, which trains in its members' folders."""
    sweep = sweep_of(workdir)
    with contextlib.nullcontext() if sweep is None else locked(sweep), locked(workdir):
        yield


def _begin_again(folder: RunFolder) -> None:
    """A finished run that is to be lengthened is not finished any more: said before its config is another."""
    summary = folder.read_summary()
    if summary is not None and summary.get("status") == "finished":
        folder.write_summary({**summary, "status": "running"})


def _interrupted_before_training(folder: RunFolder, interrupted: Interrupted) -> dict[str, Any]:
    """Writes that a signal came before this process made an update."""
    nothing = {"step": 0, "best": None, "test": None}
    before = folder.read_summary() or nothing
    summary = {**before, "status": "interrupted", "reason": interrupted.signal.name}
    folder.write_summary(summary)
    return summary


def _train(
    config: Config,
    job: Job,
    where: Devices,
    folder: RunFolder,
    console: Console,
    stop: Stop,
    started: float,
) -> dict[str, Any]:
    """Puts a job on its devices, and trains it."""
    sections, _ = split_hyper(config)
    with contextlib.ExitStack() as closing, jax.default_matmul_precision(where.matmul_precision):
        with stop.at_once():
            program = load(job, where)
            state, progress = _begin(program, folder, console)
            summary = Summary(program, folder, state, started)
        try:
            run_log = closing.enter_context(contextlib.closing(log.build(folder, console, **sections["log"])))
            run_log.resume(int(state.step), progress.evaluated_at)
            keeper = keeping.build(**sections["checkpoint"])
            saver = Saver(folder.checkpoints, keeper, job.task.objective[1])
            run = Run(
                program=program,
                feed=Feed(program),
                folder=folder,
                saver=closing.enter_context(contextlib.closing(saver)),
                log=run_log,
                meter=Meter(program, run_log, int(state.step)),
                summary=summary,
                console=console,
                stop=stop,
            )
            with memory.telling(config), while_running():  # here too: the summary says it
                return _train_to_the_end(run, Loop(run, state, progress))
        except Exception as error:
            closing.close()
            summary.fail(str(as_user_error(error) or repr(error)))
            raise


def _begin(program: Program, folder: RunFolder, console: Console) -> tuple[State, Progress]:
    """The state to go on from: the latest valid checkpoint's, or a fresh one."""
    state = program.init()
    console.header(
        {
            **describe(program.job.data),
            "model": f"{program.job.network.name}, {count_parameters(state.parameters):,} parameters",
            "devices": str(program.devices),
            "run folder": str(folder.path),
        }
    )
    checkpoint.clear_unfinished(folder.checkpoints)
    if not checkpoint.steps(folder.checkpoints):
        return state, Progress(devices=program.devices.number)
    state, progress, damaged = program.restore(folder.checkpoints, "latest", to_go_on=True)
    for line in damaged:
        console.warn(line)
    if progress.devices != program.devices.number:
        if not program.devices.allow_device_change:
            raise UserError(
                f"{folder.path}: trained on {progress.devices} devices so far, and its bits depend on that; "
                f"here are {program.devices.number}\nSet runtime.devices={progress.devices}, or "
                "runtime.allow_device_change=True."
            )
        progress = dataclasses.replace(progress, devices=program.devices.number)
    console.note(f"going on after step {int(state.step):,}")
    return state, progress


def _train_to_the_end(run: Run, loop: Loop) -> dict[str, Any]:
    """Trains, and looks at test; the summary."""
    job = run.program.job
    run.console.start(loop.step, job.plan.last_step, job.task.unit, units_per_step=job.units_per_step)
    try:
        loop.train()
    finally:
        run.console.stop()
    rate = run.meter.rate(loop.step)
    if loop.diverged is not None:
        return run.summary.write(
            "diverged", loop.step, loop.progress, rate, reason=loop.diverged, skipped=loop.skipped
        )
    try:
        run.stop.check()
        tested = _test(run, loop) if job.plan.report_test else None
    except Interrupted as interrupted:
        reason = interrupted.signal.name
        return run.summary.write(
            "interrupted", loop.step, loop.progress, rate, reason=reason, skipped=loop.skipped
        )
    summary = run.summary.write(
        "finished", loop.step, loop.progress, rate, tested=tested, skipped=loop.skipped
    )
    figures.curves(run.folder.path, job.task.objective)
    return summary


def _test(run: Run, loop: Loop) -> dict[str, dict[str, float]]:
    """The figures of the best checkpoint on test, and on what is looked at with it.

    Raises:
        Interrupted: a signal asked to stop meanwhile; nothing was logged.
    """
    best = loop.state
    if loop.progress.best_step not in (None, loop.step):  # None: no evaluation had a finite figure
        best, _, _ = run.program.restore(run.folder.checkpoints, "best")
    tested = {
        split: evaluate(run.program, best.evaluated, split, run.stop.check)
        for split in run.program.job.data.tested
    }
    for split, found in tested.items():
        run.log.metrics(loop.step, split, found)
    return tested
