"""The loop: train, evaluate, save, log, each when it is due.

summary = train(load_config("configs/digits.py"), "runs/digits/first")
"""

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rnn_jax.datasets.description import describe
from rnn_jax.reporting import figures, log
from rnn_jax.reporting.console import Console, build_console
from rnn_jax.reporting.log import Log
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import UserError, as_user_error
from rnn_jax.runtime.run_folder import RunFolder, open_run, read_config
from rnn_jax.runtime.schema import Config, split_hyper, validate
from rnn_jax.runtime.signals import Stop
from rnn_jax.training import checkpoint, known_data, memory
from rnn_jax.training.build import build
from rnn_jax.training.checkpoint import Keeper, Progress
from rnn_jax.training.evaluate import evaluate, training_batch
from rnn_jax.training.meter import Meter
from rnn_jax.training.program import Feed, Program, load
from rnn_jax.training.state import State
from rnn_jax.training.summary import Summary, count_parameters
from rnn_jax.training.writing import sample


class Run(NamedTuple):
    """One run: what it computes with, where it writes and where it speaks."""

    program: Program
    feed: Feed
    folder: RunFolder
    keeper: Keeper
    log: Log
    meter: Meter
    summary: Summary
    console: Console


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
        `reason` names, and a checkpoint was written) or 'diverged' (`reason` says where).

    Raises:
        UserError: wrong input; its subclasses for checkpoints and storage.
    """
    started = time.perf_counter()
    if not isinstance(config, Config):
        config, _ = validate(config)
    console = build_console() if console is None else console
    earlier, is_new = _finished(Path(workdir), config), not RunFolder(Path(workdir)).config.exists()
    folder = open_run(Path(workdir), config)
    if earlier is not None:
        return earlier
    sections, _ = split_hyper(config)
    try:
        with memory.telling(config):
            job = build(config)
        known_data.keep(job, folder)
        where = devices.build(devices.paying_cores(*job.batch_shape), **sections["runtime"])
    except UserError:
        if is_new:
            folder.discard()
        raise
    with memory.telling(config), jax.default_matmul_precision(where.matmul_precision):
        program = load(job, where)
        state, progress = _begin(program, folder, console)
        with contextlib.closing(log.build(folder, console, **sections["log"])) as run_log:
            run_log.resume(int(state.step))
            run = Run(
                program=program,
                feed=Feed(program),
                folder=folder,
                keeper=checkpoint.build(**sections["checkpoint"]),
                log=run_log,
                meter=Meter(program, run_log, int(state.step)),
                summary=Summary(program, folder, state, started),
                console=console,
            )
            try:
                with memory.telling(config):
                    return _train(run, state, progress)
            except Exception as error:
                run.summary.fail(str(as_user_error(error) or repr(error)))
                raise


def _finished(workdir: Path, config: Config) -> dict[str, Any] | None:
    """The summary of a run that is finished and not to be lengthened."""
    folder = RunFolder(workdir)
    if not folder.config.exists() or read_config(workdir).train != config.train:
        return None
    summary = folder.read_summary()
    return summary if summary is not None and summary.get("status") == "finished" else None


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
    if not checkpoint.steps(folder.checkpoints):
        return state, Progress(devices=program.devices.number)
    state, progress, damaged = program.restore(folder.checkpoints, "latest")
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


def _train(run: Run, state: State, progress: Progress) -> dict[str, Any]:
    job = run.program.job
    plan = job.plan
    run.console.start(int(state.step), plan.last_step, job.task.unit, units_per_step=job.units_per_step)
    try:
        with Stop() as stop:
            state, progress = _advance(run, state, progress, stop)
    finally:
        run.console.stop()
    step = int(state.step)
    rate = run.meter.rate(step)
    if int(state.diverged_at) >= 0:
        reason = f"the loss or its gradient was not finite at update {int(state.diverged_at) + 1}"
        return run.summary.write("diverged", step, progress, rate, reason=reason)
    if stop.requested is not None:
        return run.summary.write("interrupted", step, progress, rate, reason=stop.requested.name)
    tested = None
    if plan.report_test:
        best = state
        if progress.best_step != step:
            best, _, _ = run.program.restore(run.folder.checkpoints, "best")
        tested = {split: evaluate(run.program, best.evaluated, split) for split in job.data.tested}
        for split, found in tested.items():
            run.log.metrics(step, split, found)
    summary = run.summary.write("finished", step, progress, rate, tested=tested)
    figures.curves(run.folder.path, job.task.objective)
    return summary


def _advance(run: Run, state: State, progress: Progress, stop: Stop) -> tuple[State, Progress]:
    """Trains until the plan's end, an early stop, a divergence or a signal."""
    plan, meter = run.program.job.plan, run.meter
    step, saved = int(state.step), time.perf_counter()
    while step < plan.last_step and not _stops_early(run, progress):
        state = _update(run, state, step)
        step += 1
        evaluates = plan.evaluates_after(step)
        saves = evaluates or run.keeper.due(step, time.perf_counter() - saved) or stop.requested is not None
        if saves:
            jax.block_until_ready(state)
            meter.flush()
            if int(state.diverged_at) < 0:
                with meter.paused():
                    progress = _evaluate(run, state, step, progress) if evaluates else progress
                    _save(run, state, step, progress)
            saved = time.perf_counter()
        if stop.requested is not None or int(meter.diverged_at) >= 0:
            break
    return state, progress


def _update(run: Run, state: State, step: int) -> State:
    """Update number `step`, counted from 0, and what is logged of it."""
    program, log = run.program, run.log
    began = time.perf_counter()
    indices = run.feed.take(step)
    state = program.train_step(state, program.hyper, program.data["train"], indices)
    run.feed.prepare(step + 1)
    state = program.settle(state)
    if run.summary.compile_seconds == 0.0:  # the call returns when the step is compiled and under way
        run.summary.compile_seconds = time.perf_counter() - began
        run.meter.restart(step)
    done = step + 1
    run.console.tick(done)
    if done % log.every_steps == 0:
        state = run.meter.take(done, state)
    every = log.batch_accuracy_every_steps
    if every is not None and step % every == 0:
        batch = training_batch(program, state.parameters, step)
        log.metrics(done, "batch", {"accuracy": batch["accuracy"]})
    return state


def _stops_early(run: Run, progress: Progress) -> bool:
    patience = run.program.job.plan.stop_after_evaluations
    return patience is not None and progress.evaluations_since_best >= patience


def _evaluate(run: Run, state: State, step: int, progress: Progress) -> Progress:
    """Looks at the validation split; a tie keeps the earlier best."""
    found = evaluate(run.program, state.evaluated, "validation")
    name, direction = run.program.job.task.objective
    sign = 1 if direction == "max" else -1
    better = progress.best_step is None or sign * found[name] > sign * progress.best[name]
    run.log.metrics(step, "validation", found)
    run.console.evaluated(step, "validation", found, better)
    vocabulary, tokens = run.program.job.data.vocabulary, run.log.sample_tokens
    if vocabulary is not None and tokens is not None:
        run.log.sample(step, sample(run.program, state, vocabulary, tokens))
    if better:
        return dataclasses.replace(progress, best_step=step, best=found, evaluations_since_best=0)
    return dataclasses.replace(progress, evaluations_since_best=progress.evaluations_since_best + 1)


def _save(run: Run, state: State, step: int, progress: Progress) -> None:
    run.log.flush()
    checkpoint.save(run.folder.checkpoints, run.program.to_save(state), progress, run.keeper.keep)
    run.summary.write("running", step, progress, run.meter.rate(step))
