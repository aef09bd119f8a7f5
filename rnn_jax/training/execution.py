"""A job on its devices: from its latest checkpoint through training (see `cadence.py`) to its test."""

import contextlib
import dataclasses
import json
import zlib
from typing import Any

import jax

from rnn_jax.checkpoints import checkpoint, retention
from rnn_jax.checkpoints.saver import Saver
from rnn_jax.config.run_folder import MAY_DIFFER, OF_ONE_START, RunFolder
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.description import describe
from rnn_jax.reporting import plots
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import Log
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed.synchronization import Agreement
from rnn_jax.runtime.errors import UserError, as_user_error
from rnn_jax.runtime.files import while_running
from rnn_jax.runtime.signals import Interrupted, Stop
from rnn_jax.training import memory
from rnn_jax.training.build import Job
from rnn_jax.training.evaluate import evaluate
from rnn_jax.training.fit import Loop, Run
from rnn_jax.training.meter import Meter
from rnn_jax.training.program import Feed, Program, load
from rnn_jax.training.progress import Progress
from rnn_jax.training.state import State
from rnn_jax.training.summary import Summary, count_parameters


def execute(
    config: Config,
    job: Job,
    where: Devices,
    folder: RunFolder,
    console: Console,
    stop: Stop,
    started: float,
) -> dict[str, Any]:
    """Puts a job on its devices, trains it and tests it; the summary.

    Args:
        config: the whole config.
        job: what it describes.
        where: the devices.
        folder: the run folder, whose config is written.
        console: where to speak.
        stop: tells of signals.
        started: when this process began, on `time.perf_counter`'s clock.

    Raises:
        Interrupted: a signal asked to stop before the first update.
        UserError: as `loop.train`.
    """
    sections, _ = split_hyper(config)
    agreement = Agreement(where)
    if not agreement.alone:
        stop.agree_by(agreement.soon)
        agreement.same(_hash(config), "config")
        agreement.same(_hash_of(f"{job.data.version} {job.data.counts}"), "data")
        agreement.share(folder.checkpoints.parent)  # of the run, whoever this process is
    with contextlib.ExitStack() as closing, jax.default_matmul_precision(where.matmul_precision):
        with stop.at_once():
            program = load(job, where)
            state, progress = _begin(program, folder, console, agreement)
            summary = Summary(program, folder, state, started)
        try:
            run_log = closing.enter_context(contextlib.closing(Log(folder, console, **sections["log"])))
            run_log.resume(int(state.step), progress.evaluated_at)
            keeper = retention.build(**sections["checkpoint"])
            saver = Saver(folder.checkpoints, keeper, job.task.objective.direction, agreement)
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
                agreement=agreement,
            )
            with memory.telling(config), while_running():  # here too: the summary says it
                return _train_to_the_end(run, Loop(run, state, progress))
        except Exception as error:
            closing.close()
            summary.fail(str(as_user_error(error) or repr(error)))
            raise


def _hash(config: Config) -> int:
    """A number that tells configs apart, but for what each process has of its own."""
    sections = config.model_dump()
    own = [
        *(f"runtime.{key}" for key in OF_ONE_START),
        *(key for key in MAY_DIFFER if key.startswith("dataset.")),
    ]
    for key in own:
        section, _, name = key.partition(".")
        del sections[section][name]
    return _hash_of(json.dumps(sections, sort_keys=True))


def _hash_of(text: str) -> int:
    return zlib.crc32(text.encode()) >> 1


def _begin(
    program: Program, folder: RunFolder, console: Console, agreement: Agreement
) -> tuple[State, Progress]:
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
    if agreement.leads:
        checkpoint.clear_unfinished(folder.checkpoints)
    agreement.wait("leftovers are gone")
    found = checkpoint.steps(folder.checkpoints)
    agreement.same(found[-1] if found else 0, "checkpoints: they need a folder that all of them share")
    if not found:
        return state, Progress(devices=program.devices.number)
    state, progress, damaged = agreement.as_the_first_restores(
        lambda at: program.restore(folder.checkpoints, "latest", to_go_on=at is None, at=at)
    )
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
    console.info(f"going on after step {int(state.step):,}")
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
    plots.curves(run.folder.path, job.task.objective)
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
