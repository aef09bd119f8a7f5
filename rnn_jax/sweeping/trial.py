"""A trial of a study: the ordinary command in a process of its own.

With one seed it is a run, `rnn_jax.main`; with several it is a population, a sweep of one point. One seed is
a population too if the sweep's objective is not the task's, by which a run selects its best checkpoint. The
folder is named by a hash of the config: another attempt at the trial resumes there, or finds it finished.
"""

import hashlib
import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.config.command_line import overridden
from rnn_jax.config.objective import Objective
from rnn_jax.config.plugins import plugin_flags, plugins_of
from rnn_jax.config.run_folder import RunFolder, fixed_values, open_run
from rnn_jax.config.schema import Config
from rnn_jax.reporting.provenance import hardware
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.lock import is_locked, wait_while, waiting_lock
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Base, Member, build_members
from rnn_jax.sweeping.study.claimed import ClaimedTrial, TrialFailedError, TrialRequeuedError
from rnn_jax.sweeping.trial_process import Evaluations, failure_of, run_process
from rnn_jax.training.build import build
from rnn_jax.training.progress import DIVERGED

OUTPUT = "output.txt"
HASH_LENGTH = 12
OVERRIDES = {
    "train.report_test": False,  # test is evaluated for the winner only
    "runtime.allow_device_change": True,  # another worker may have other cores
    "runtime.process_count": None,
    "runtime.process_index": None,
    "runtime.coordinator": None,
}
"""Keys that are the same in all trials."""
SINGLE_PROCESS = ("--config.runtime.process_count=1",)
"""The processes that a cluster starts are workers, each with its own trials."""
FOLDER, RESULTS = "folder", "results"
"""User attributes of a trial: its folder, and the summaries of its runs, one per seed."""


class TrialSettings(NamedTuple):
    """What all trials of a study share."""

    folder: SweepFolder
    base: Base
    sweep: Sweep
    objective: Objective
    is_run: bool
    """Whether a trial is a single run, not a population."""
    reference: Config
    """A config that this worker has built, with the data of all trials."""


class _Training(NamedTuple):
    """The folder of a trial, and what trains in it."""

    path: Path
    base: Base
    seeds: list[Member]
    runs: list[RunFolder]
    """One per seed."""


def train_trial(trial: ClaimedTrial, settings: TrialSettings, stop: StopSignal) -> float:
    """Train a trial, or resume it; return the objective at its best evaluation, the mean over the seeds.

    Raises:
        TrialFailedError: it diverged, ran out of memory, or failed otherwise.
        TrialPrunedError: the study's pruner stopped it.
        TrialRequeuedError: stopped by a signal; everything is saved.
        TrialTakenOverError: another worker has it.
        UserError: no trial can be trained here.
    """
    training = _prepare(trial, settings)
    evaluations = Evaluations([run.metrics for run in training.runs], settings.objective.metric)

    def check_stop() -> None:
        if stop.requested is not None:
            raise TrialRequeuedError

    def report() -> None:
        for number, value in enumerate(evaluations.values(), start=1):
            trial.report(number, value)

    # Another trial may have the same point, and the process of a dead worker may still be running.
    with waiting_lock(training.path.with_suffix(".turn"), check_stop):
        wait_while(lambda: is_locked(training.path), check_stop)
        command = _open(training, settings, trial)
        try:
            end = run_process(command, training.path / OUTPUT, report, stop)
        finally:
            summaries = [_summary(run) for run in training.runs]
            if any(summaries):
                trial.set_attribute(RESULTS, summaries)
    if end.status == 0:
        return _objective(summaries, settings.objective.metric)

    def is_config_invalid() -> bool:
        return _can_be_built(settings.reference) and not _can_be_built(training.seeds[0].config)

    raise failure_of(end, f"trial {trial.number}", summaries[0].get("reason"), is_config_invalid)


def trial_base(base: Base) -> Base:
    """Return the config that the trials of a study share."""
    return base._replace(sections=overridden(base.sections, OVERRIDES))


def _prepare(trial: ClaimedTrial, settings: TrialSettings) -> _Training:
    base = trial_base(settings.base)
    try:
        seeds = build_members(base, settings.sweep, "this point", at=[trial.point])
    except UserError as error:  # of a combination of values; each value is valid
        raise TrialFailedError(str(error)) from error
    # What is varied must give another folder, even a key that may differ between a run and its resumption.
    identity = [fixed_values(seeds[0].config), trial.point, len(seeds)]
    if not settings.is_run:
        identity.append(settings.objective.metric)
    text = json.dumps(identity, sort_keys=True)
    name = f"trials/{hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]}"
    trial.set_attribute(FOLDER, name)
    path = settings.folder.path / name
    population = [SweepFolder(path).member(number) for number in range(len(seeds))]
    return _Training(path, base, seeds, [RunFolder(path)] if settings.is_run else population)


def _open(training: _Training, settings: TrialSettings, trial: ClaimedTrial) -> list[str]:
    """Create the folder, or open it to resume; return the command that trains in it."""
    plugins = plugin_flags(plugins_of(training.seeds[0].config.model_dump()))
    folder = ["--workdir", str(training.path), *plugins]
    if settings.is_run:
        open_run(training.path, training.seeds[0].config)
        return ["main", *SINGLE_PROCESS, *folder]
    grid = {key: (value,) for key, value in trial.point.items()}
    point = {"grid": grid, "ranges": {}, "num_trials": None, "sampler": None, "pruner": None}
    sweep = settings.sweep.model_copy(update=point)
    SweepFolder(training.path).open(training.base, sweep, settings.objective)
    return ["sweep", *folder]


def _summary(run: RunFolder) -> dict[str, Any]:
    """The summary of a run; empty if it has not started."""
    summary = run.read_summary()
    return {} if summary is None else {**summary, "hardware": hardware()}


def _objective(summaries: list[dict[str, Any]], metric: str) -> float:
    for summary in summaries:
        if summary.get("status") == DIVERGED:
            raise TrialFailedError(f"diverged: {summary['reason']}")
    bests = [(summary.get("best") or {}).get(metric) for summary in summaries]
    values = [value for value in bests if value is not None]
    if len(values) < len(bests):
        raise TrialFailedError(f"validation had no finite {metric}")
    return statistics.mean(values)


def _can_be_built(config: Config) -> bool:
    """Whether a config is valid together with its data, and these are here."""
    try:
        build(config)
    except UserError:
        return False
    return True
