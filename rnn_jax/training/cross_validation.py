"""Cross-validation of own data: a run for each fold, then the last model, without validation.

The run of fold i, in the folder `folds/i` of the run folder, validates with fold i and trains on the others.
The last model, in the run folder itself, trains on everything but test, for the mean of the folds' best steps
and with their learning-rate schedule. It has no validation examples: the mean of the folds' metrics stands in
their place, at its last step, so that its last checkpoint is its best one.
"""

import contextlib
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.checkpoints import store
from rnn_jax.config.run_folder import RunFolder, check_run, make_folder, open_run
from rnn_jax.config.schema import Config
from rnn_jax.datasets import dataset_info
from rnn_jax.reporting.console import Console
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.signals import Interrupted, StopSignal
from rnn_jax.training import memory
from rnn_jax.training.build import Job, build
from rnn_jax.training.optimizer import build_optimizer
from rnn_jax.training.plan import build_plan
from rnn_jax.training.population.display import SweepDisplay
from rnn_jax.training.population.folds import join
from rnn_jax.training.population.pruning import Halving
from rnn_jax.training.population.steps import Members
from rnn_jax.training.progress import RUNNING
from rnn_jax.training.run import train, train_population

POPULATION = "population"
"""The folder beside those of the folds with the checkpoints of all of them together."""
Folds = dict[str, Any]
"""What summary.json has of the folds: `best_steps` [folds] and the `metrics` [folds] there, their `mean` and
`deviation`, the sample standard deviation, and the `steps` of the last model."""


def train_folds(config: Config, workdir: Path, console: Console) -> tuple[Folds, dict[str, Any] | None]:
    """Train the folds that have not finished: as one population where their shapes are equal.

    Return what they found and None; or, where one was interrupted or diverged, the summary of the whole run.
    Raises UserError as `train`, for several processes, and where folds were trained on other data.
    """
    if not config.runtime.processes.is_single:
        raise UserError("dataset.validation_folds: not with several processes; train each fold by itself")
    folder = RunFolder(workdir)
    configs = [_config_of(config, number) for number in range(config.dataset.validation_folds)]
    check_run(workdir, config)
    jobs = [build(own) for own in configs]
    for number, (own, job) in enumerate(zip(configs, jobs, strict=True)):
        check_run(folder.fold(number).path, own)
        dataset_info.check_version(job.data, folder.fold(number))
    open_run(workdir, config)
    summaries = [folder.fold(number).read_summary() or {} for number in range(len(jobs))]
    if any(summary.get("status") != "finished" for summary in summaries):
        joined, together = join(jobs, configs[0]), folder.fold(0).path.with_name(POPULATION)
        if joined is not None and (together.exists() or not folder.fold(0).path.parent.exists()):
            console.info(f"{len(jobs)} folds at once")
            summaries = _train_together(configs, jobs, joined, folder, together, console)
        else:
            summaries = _train_one_by_one(configs, folder, console)
    for number, summary in enumerate(summaries):
        if summary["status"] != "finished" or summary["best"] is None:
            return {}, _end(folder, number, summary)
    folds = gather([summary["best"] for summary in summaries])
    console.info(f"last model: {folds['steps']:,} steps, on all but test")
    return folds, None


def _train_one_by_one(configs: Sequence[Config], folder: RunFolder, console: Console) -> list[dict[str, Any]]:
    """Return the summaries of the folds, up to one that does not finish."""
    summaries = []
    for number, config in enumerate(configs):
        console.info(f"fold {number}, of {len(configs)} folds from 0 on")
        summaries.append(train(config, folder.fold(number).path, console=console))
        if summaries[-1]["status"] != "finished":
            break
    return summaries


def _train_together(
    configs: Sequence[Config],
    jobs: Sequence[Job],
    joined: tuple[Job, Members],
    folder: RunFolder,
    checkpoints: Path,
    console: Console,
) -> list[dict[str, Any]]:
    """Return the summaries of the folds."""
    (job, members), config, count = joined, configs[0], len(configs)
    cores, runtime = (
        min(devices.available_cores(), count),
        devices.single_process(config.runtime.model_dump()),
    )
    display = SweepDisplay(console, job, Halving(), count, 0, None)
    make_folder(checkpoints)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(StopSignal())
        stack.enter_context(memory.explain_out_of_memory(config, count))
        stack.enter_context(locked(checkpoints))
        where = devices.build_devices(cores, **runtime)
        folders = [open_run(folder.fold(number).path, own) for number, own in enumerate(configs)]
        for own, each in zip(folders, jobs, strict=True):
            dataset_info.save(each.data, own, has_checkpoint=bool(store.steps(checkpoints)))
        console.start(0, count * job.plan.last_step, "updates")
        stack.callback(console.stop)
        try:
            trained = train_population(
                config, job, where, members, folders, checkpoints, display, stop, Halving()
            )
            if any(member.status == RUNNING for member, _ in trained):
                stop.check()
        except Interrupted as interrupted:
            step = max(store.steps(checkpoints), default=0)
            return [{"status": "interrupted", "reason": interrupted.signal.name, "step": step}]
        return [summary for _, summary in trained]


def _config_of(config: Config, number: int) -> Config:
    """The config of a fold: test is for the last model alone."""
    dataset = config.dataset.model_copy(update={"validation_fold": number})
    train = config.train.model_copy(update={"report_test": False})
    return config.model_copy(update={"dataset": dataset, "train": train})


def _end(folder: RunFolder, number: int, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Write and return the summary of a run whose fold has not finished."""
    status, reason = summary["status"], summary.get("reason")
    if status == "finished":
        status, reason = "diverged", "no evaluation had a finite result"
    if status == "diverged":
        reason = f"fold {number}: {reason}"
    earlier = folder.read_summary() or {}
    ended = {
        **earlier,
        "status": status,
        "reason": reason,
        "step": summary["step"],
        "best": None,
        "test": None,
    }
    folder.write_summary(ended)
    return ended


def gather(bests: Sequence[Mapping[str, Any]]) -> Folds:
    """Return what `Folds` describes, from `best` in the summary of each fold.

    The steps of the last model are the mean best step, rounded. Where a metric is not finite in a fold, its
    mean is NaN, which is null in summary.json.
    """
    steps = [best["step"] for best in bests]
    metrics = [{name: value for name, value in best.items() if name != "step"} for best in bests]
    return {
        "best_steps": steps,
        "metrics": metrics,
        "mean": _reduce(np.mean, metrics),
        "deviation": _reduce(partial(np.std, ddof=1), metrics),
        "steps": math.floor(statistics.fmean(steps) + 0.5),
    }


def _reduce(function: Callable[[np.ndarray], Any], values: Sequence[Any]) -> Any:
    """Apply a function to the values of all folds of each metric; of `recall`, of each class."""
    if isinstance(values[0], Mapping):
        return {name: _reduce(function, [each.get(name) for each in values]) for name in values[0]}
    return float(function(np.array(values, float)))  # None becomes NaN


def last_job(job: Job, config: Config, folds: Folds) -> Job:
    """Return the job of the last model, from the job that its config describes.

    Its learning rate at each step is that of the folds, whose epochs are shorter.
    """
    count = job.data.counts["train"]
    share = Fraction(count - count // config.dataset.validation_folds, count)
    plan = build_plan(config.train, job.task.batches["train"] * share)
    every = {"evaluate_every_epochs": None, "evaluate_every_steps": folds["steps"]}
    shorter = plan._replace(settings=config.train.model_copy(update=every), last_step=folds["steps"])
    optimizer = build_optimizer(config.optimizer, plan, job.network.group_parameters)
    return job._replace(optimizer=optimizer, plan=shorter, folds=folds)
