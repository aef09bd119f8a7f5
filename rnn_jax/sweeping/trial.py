"""Trials of a study: each is the ordinary command in a process of its own.

With one seed it is a run, `rnn_jax.main`; with several it is a population, a sweep of one point. The folder
is named by a hash of the config: another attempt at the trial resumes there, or finds it finished.
"""

import hashlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.config.plugins import plugin_flags, plugins_of
from rnn_jax.config.run_folder import RunFolder, fixed_values, open_run
from rnn_jax.config.schema import Config
from rnn_jax.config.values import overridden
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.formatting import format_metric
from rnn_jax.reporting.provenance import hardware
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.lock import is_locked, wait_while, waiting_lock
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.sweeping.command import Command
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Base, Member, build_members
from rnn_jax.sweeping.study import trials
from rnn_jax.sweeping.study.study import Study
from rnn_jax.sweeping.study.trials import ClaimedTrial
from rnn_jax.sweeping.trial_process import Evaluations, failure_of, run_process
from rnn_jax.training.build import build
from rnn_jax.training.progress import DIVERGED

OUTPUT = "output.txt"
HASH_LENGTH = 12
# The same in all trials:
OVERRIDES = {
    "train.report_test": False,  # test is evaluated for the winner only
    "runtime.allow_device_change": True,  # another worker may have other cores
    "runtime.process_count": None,
    "runtime.process_index": None,
    "runtime.coordinator": None,
}
# The processes that a cluster starts are workers, each with its own trials.
SINGLE_PROCESS = ("--config.runtime.process_count=1",)
# User attributes of a trial: its folder, and the summaries of its runs, one per seed.
FOLDER, RESULTS = "folder", "results"
POLL_SECONDS = 1.0
OUTCOMES: dict[type[Exception], str] = {
    trials.TrialPrunedError: "pruned",
    trials.TrialRequeuedError: "requeued, with a checkpoint",
    trials.TrialTakenOverError: "taken over by another worker, since this one missed its heartbeats",
}


class TrialSettings(NamedTuple):
    """What all trials of a study share."""

    command: Command  # this worker has built the config of its first member, with the data of all trials
    objective: Objective
    is_run: bool  # whether a trial is a single run, not a population


def work(study: Study, settings: TrialSettings, stop: StopSignal, console: Console) -> None:
    """Train trials until all of the study have finished, here or on other workers.

    If a signal interrupts this, the running trial is requeued.
    """
    train, waiting = partial(_train_and_log, settings=settings, stop=stop, console=console), 0
    while True:
        stop.check()
        if study.run_next(train):
            waiting = 0
            continue
        unfinished = study.num_unfinished()
        if unfinished == 0:
            return
        if unfinished != waiting:
            what = "a trial" if unfinished == 1 else f"{unfinished} trials"
            console.info(f"waiting for {what} of other workers")
            waiting = unfinished
        time.sleep(POLL_SECONDS)


def _train_and_log(trial: ClaimedTrial, settings: TrialSettings, stop: StopSignal, console: Console) -> float:
    name, metric = f"trial {trial.number}", settings.objective.metric
    console.info(f"{name}: {', '.join(f'{key} = {value}' for key, value in trial.point.items())}")
    began = time.perf_counter()
    try:
        value = train_trial(trial, settings, stop)
    except trials.TrialFailedError as error:
        console.warn(f"{name}: failed, {error}")
        raise
    except tuple(OUTCOMES) as error:
        console.info(f"{name}: {OUTCOMES[type(error)]}")
        raise
    console.info(f"{name}: {metric} {format_metric(metric, value)}, {time.perf_counter() - began:,.0f} s")
    return value


def train_trial(trial: ClaimedTrial, settings: TrialSettings, stop: StopSignal) -> float:
    """Train a trial, or resume it; return the objective at its best evaluation, the mean over the seeds.

    Without a result, an error of `study/trials.py` is raised, and UserError if no trial can be trained here.
    """
    command = settings.command
    base = command.base._replace(sections=overridden(command.base.sections, OVERRIDES))
    try:
        seeds = build_members(base, command.sweep, "this point", at=[trial.point])
    except UserError as error:  # of a combination of values; each value is valid
        raise trials.TrialFailedError(str(error)) from error
    # What is varied must give another folder, even a key that may differ between a run and its resumption.
    identity = [fixed_values(seeds[0].config), trial.point, len(seeds)]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    name = f"trials/{digest[:HASH_LENGTH]}"
    trial.set_attribute(FOLDER, name)
    folder = SweepFolder(command.workdir / name)
    runs = [RunFolder(folder.path)] if settings.is_run else [folder.member(each.number) for each in seeds]
    evaluations = Evaluations([run.metrics for run in runs], settings.objective.metric)

    def check_stop() -> None:
        if stop.requested is not None:
            raise trials.TrialRequeuedError

    def report() -> None:
        for number, value in enumerate(evaluations.values(), start=1):
            trial.report(number, value)

    # Another trial may have the same point, and the process of a dead worker may still be running.
    with waiting_lock(folder.path.with_suffix(".turn"), check_stop):
        wait_while(lambda: is_locked(folder.path), check_stop)
        arguments = _open(folder, base, seeds[0], settings)
        try:
            status, message = run_process(arguments, folder.path / OUTPUT, report, check_stop)
        finally:
            found = [run.read_summary() for run in runs]
            summaries = [{} if summary is None else {**summary, "hardware": hardware()} for summary in found]
            if any(summaries):
                trial.set_attribute(RESULTS, summaries)
    if status == 0:
        return _objective(summaries, settings.objective.metric)
    is_invalid = status == UserError.exit_status and not _can_be_built(seeds[0].config)
    is_invalid = is_invalid and _can_be_built(command.members[0].config)
    reason = summaries[0].get("reason")
    raise failure_of(status, message, f"trial {trial.number}", reason, is_invalid=is_invalid)


def _open(folder: SweepFolder, base: Base, first: Member, settings: TrialSettings) -> list[str]:
    """Create the folder, or open it to resume; return the command that trains in it."""
    arguments = ["--workdir", str(folder.path), *plugin_flags(plugins_of(first.config.model_dump()))]
    if settings.is_run:
        open_run(folder.path, first.config)
        return ["main", *SINGLE_PROCESS, *arguments]
    grid = {key: (value,) for key, value in first.point.items()}
    changes = {"grid": grid, "ranges": {}, "num_trials": None, "sampler": None, "pruner": None}
    folder.open(base, settings.command.sweep.model_copy(update=changes), settings.objective)
    return ["sweep", *arguments]


def _objective(summaries: Sequence[Mapping[str, Any]], metric: str) -> float:
    for summary in summaries:
        if summary.get("status") == DIVERGED:
            raise trials.TrialFailedError(f"diverged: {summary['reason']}")
    bests = [(summary.get("best") or {}).get(metric) for summary in summaries]
    values = [value for value in bests if value is not None]
    if len(values) < len(bests):
        raise trials.TrialFailedError(f"validation had no finite {metric}")
    return statistics.mean(values)


def _can_be_built(config: Config) -> bool:
    """Whether a config is valid together with its data, and these are here."""
    try:
        build(config)
    except UserError:
        return False
    return True
