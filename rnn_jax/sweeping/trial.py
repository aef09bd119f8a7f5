"""A trial of a study: the ordinary command as a process of its own, watched while it trains.

With one seed it is a run, `rnn_jax.main`; with several they are one population, a sweep of a single point,
and so is one seed where another figure decides than the task's own, by which a run keeps its best. Its folder
is named by its config: whoever tries the same again goes on there, or finds it finished.
"""

import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.config.command_line import overridden
from rnn_jax.config.objective import Objective
from rnn_jax.config.run_folder import RunFolder, fixed_values, open_run
from rnn_jax.config.schema import Config
from rnn_jax.reporting.provenance import hardware
from rnn_jax.runtime.errors import DivergedError, StorageError, UserError
from rnn_jax.runtime.lock import LOOKS_EVERY_SECONDS, is_locked, taking_turns, wait_while
from rnn_jax.runtime.signals import SAME_REQUEST, Stop, was_asked_to_stop
from rnn_jax.sweeping import members
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Base, Member, Point
from rnn_jax.sweeping.study.study import Asked, GivenUpError, PutBackError
from rnn_jax.sweeping.watching import Evaluations
from rnn_jax.training.build import build

OUTPUT = "output.txt"
CHILD = ("-m", "rnn_jax.sweeping.child")
NAME_LENGTH = 12
IN_STUDIES = {
    "train.report_test": False,  # it is looked at for the winner alone
    "runtime.allow_device_change": True,  # who takes a trial over may have other cores
    "runtime.process_count": None,
    "runtime.process_index": None,
    "runtime.coordinator": None,
}
ALONE = ("--config.runtime.process_count=1",)
"""The processes that a cluster started are workers, and train nothing together."""
SAME_REQUEST_SECONDS = 10
"""Who stops all processes of a job stops those of its workers too, which they then ask to stop themselves."""
OF_MEMORY = ("out of memory", "GB are free")
"""In what is said where memory is not enough, which has the exit status of a full disk."""
FOLDER, RESULTS = "folder", "results"
"""Under which a study has a trial's folder, and what its runs came to, one for each seed."""


class Setting(NamedTuple):
    """What all trials of a study have in common."""

    folder: SweepFolder
    base: Base
    sweep: Sweep
    objective: Objective
    is_run: bool
    """Whether a trial is a run, and not a population."""
    known: Config
    """One that can be trained here: it was built when this worker joined."""

    @property
    def figure(self) -> str:
        """The validation figure that decides."""
        return self.objective.metric


class Training(NamedTuple):
    """A trial's folder, and what trains in it."""

    path: Path
    seeds: list[Member]
    base: Base
    runs: list[RunFolder]
    """Of its seeds."""
    evaluations: Evaluations


def train(asked: Asked, setting: Setting, stop: Stop) -> float:
    """Trains a trial, or goes on with it.

    Returns:
        The objective: that of the best evaluation, the mean over the seeds.

    Raises:
        GivenUpError: it has no result: it diverged, ran out of memory, or failed otherwise.
        PrunedError: the study's pruner gave it up.
        PutBackError: a signal asked to stop, and everything is saved.
        TakenError: the trial is somebody else's by now.
        UserError: no trial can be trained here: its message says why.
    """
    training = _place(asked, setting)

    def between() -> None:
        if stop.requested is not None:
            raise PutBackError

    # The same point may be somebody else's trial too; and a process whose worker died may not have ended.
    with taking_turns(training.path.with_suffix(".turn"), between):
        wait_while(lambda: is_locked(training.path), between)
        _open(training, setting, asked.point)
        try:
            ended = _run(training, setting, asked, stop)
        finally:
            results = [_result(run) for run in training.runs]
            if any(results):
                asked.note(RESULTS, results)
    if ended.status != 0:
        raise _failure(ended, results, asked, training.seeds[0].config, setting.known)
    return _objective(results, setting)


def _objective(results: list[dict[str, Any]], setting: Setting) -> float:
    bests = [(result.get("best") or {}).get(setting.figure) for result in results]
    values = [value for value in bests if value is not None]
    diverged = [result["reason"] for result in results if result.get("status") == "diverged"]
    if diverged:
        raise GivenUpError(f"diverged: {diverged[0]}")
    if len(values) < len(results):
        raise GivenUpError(f"validation had no finite {setting.figure}")
    return statistics.mean(values)


def in_study(base: Base) -> Base:
    """What the trials of a study have in common."""
    return base._replace(sections=overridden(base.sections, IN_STUDIES))


def _place(asked: Asked, setting: Setting) -> Training:
    """Where a trial is trained."""
    base = in_study(setting.base)
    try:
        seeds = members.build(base, setting.sweep, "this point", at=[asked.point])
    except UserError as error:  # keys that contradict each other here, though not at the ends of the ranges
        raise GivenUpError(str(error)) from error
    name = f"trials/{_key(seeds, setting)}"
    asked.note(FOLDER, name)
    path = setting.folder.path / name
    population = SweepFolder(path)
    members_of_it = [population.member(number) for number in range(len(seeds))]
    runs = [RunFolder(path)] if setting.is_run else members_of_it
    return Training(path, seeds, base, runs, Evaluations([run.metrics for run in runs], setting.figure))


def _open(training: Training, setting: Setting, point: Point) -> None:
    """Makes its folder, or finds it."""
    if setting.is_run:
        open_run(training.path, training.seeds[0].config)
    else:
        SweepFolder(training.path).open(training.base, _of_one_point(setting.sweep, point), setting.objective)


def _of_one_point(sweep: Sweep, point: Point) -> Sweep:
    nothing = {"ranges": {}, "num_trials": None, "sampler": None, "pruning": None}
    return sweep.model_copy(update={"grid": {key: (value,) for key, value in point.items()}, **nothing})


def _key(seeds: list[Member], setting: Setting) -> str:
    """The hash of a trial's config, but for what changes no figure; what is varied is to change some."""
    own = [fixed_values(seeds[0].config), seeds[0].point, len(seeds)]
    text = json.dumps(own if setting.is_run else [*own, setting.figure], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:NAME_LENGTH]


class End(NamedTuple):
    """How a process ended."""

    status: int
    """Negative for a signal that killed it."""
    said: str
    """What it printed."""


def _run(training: Training, setting: Setting, asked: Asked, stop: Stop) -> End:
    """Runs the command to its end, and tells the study of its evaluations."""
    words = ["main", *ALONE] if setting.is_run else ["sweep"]
    command = [sys.executable, *CHILD, str(os.getpid()), *words, "--workdir", str(training.path)]
    with (training.path / OUTPUT).open("ab+") as output:
        before = output.seek(0, os.SEEK_END)
        # In a session of its own: Ctrl-C is this process's to hear, which then asks the other to stop.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, SAME_REQUEST: str(SAME_REQUEST_SECONDS)},
        )
        try:
            while (status := _ended(process)) is None:
                _tell(training, asked)
                if stop.requested is not None:
                    raise PutBackError
            _tell(training, asked)
        finally:
            process.terminate()  # nothing, where it has ended
            process.wait()
        output.seek(before)
        said = output.read().decode("utf-8", errors="replace")
    if was_asked_to_stop(status):
        time.sleep(LOOKS_EVERY_SECONDS)  # who stops everything may have reached that process first
        if stop.requested is not None:
            raise PutBackError
    return End(status, said)


def _ended(process: "subprocess.Popen[bytes]") -> int | None:
    """The exit status, if there is one before long."""
    try:
        return process.wait(LOOKS_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _tell(training: Training, asked: Asked) -> None:
    """Raises PrunedError where the study gives the trial up."""
    for number, value in enumerate(training.evaluations.values(), start=1):
        asked.report(number, value)


def _result(run: RunFolder) -> dict[str, Any]:
    """What is known of a run; nothing where it did not begin."""
    summary = run.read_summary()
    return {} if summary is None else {**summary, "hardware": hardware()}


def _failure(
    ended: End, results: list[dict[str, Any]], asked: Asked, config: Config, known: Config
) -> Exception:
    """What a process that ended with another status than 0 means: for its trial, or for this worker.

    That it diverged, that memory was not enough, a bug that it ran into, and a config that none could train
    belong to the trial. What is wrong with the machine (its disk, its data, its devices) would spoil all
    other trials too.
    """
    lines = ended.said.strip().splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    said = (errors[-1] if errors else lines[-1] if lines else f"exit status {ended.status}")[:500]
    if ended.status == DivergedError.exit_status and "reason" in results[0]:
        return GivenUpError(f"diverged: {results[0]['reason']}")
    if ended.status == -signal.SIGKILL:
        return GivenUpError("killed (SIGKILL); most likely memory was not enough")
    if was_asked_to_stop(ended.status):
        return UserError(f"trial {asked.number} was stopped from outside (exit status {ended.status})")
    if ended.status < 0:
        return GivenUpError(f"killed ({signal.Signals(-ended.status).name})")
    if ended.status == UserError.exit_status:
        if _can_be_built(known) and not _can_be_built(config):
            return GivenUpError(said)
        return UserError(f"trial {asked.number}: {said}")
    if ended.status == StorageError.exit_status and not any(word in said for word in OF_MEMORY):
        return StorageError(f"trial {asked.number}: {said}")
    return GivenUpError(said)


def _can_be_built(config: Config) -> bool:
    """Whether a config is without contradictions, and its data are here."""
    try:
        build(config)
    except UserError:
        return False
    return True
