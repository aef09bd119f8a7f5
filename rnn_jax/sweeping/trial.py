"""A trial of a study: the ordinary command as a process of its own, watched while it trains.

With one seed it is a run, `rnn_jax.main`; with several they are one population, a sweep of a single point.
Its folder is named by its config: whoever tries the same again goes on there, or finds it finished.
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

from rnn_jax.reporting import records
from rnn_jax.runtime.config import overridden
from rnn_jax.runtime.errors import DivergedError, UserError
from rnn_jax.runtime.lock import is_locked
from rnn_jax.runtime.run_folder import RunFolder, comparable, open_run
from rnn_jax.runtime.signals import STOPPING, Stop
from rnn_jax.sweeping import members
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Base, Member, Point
from rnn_jax.sweeping.study.study import Asked, GivenUpError, PutBackError
from rnn_jax.sweeping.watching import Evaluations

LOOKS_EVERY_SECONDS = 0.2
OUTPUT = "output.txt"
CHILD = ("-m", "rnn_jax.sweeping.child")
NAME_LENGTH = 12
IN_STUDIES = {
    "train.report_test": False,  # it is looked at for the winner alone
    "runtime.allow_device_change": True,  # who takes a trial over may have other cores
    "runtime.processes": 1,  # the processes that a cluster started are workers
}
FOLDER, RESULTS = "folder", "results"
"""Under which a study has a trial's folder, and what its runs came to, one for each seed."""


class Setting(NamedTuple):
    """What all trials of a study have in common."""

    folder: SweepFolder
    base: Base
    sweep: Sweep
    objective: tuple[str, str]
    """The validation figure that decides, and its better direction."""

    @property
    def figure(self) -> str:
        """The validation figure that decides."""
        return self.objective[0]


class Trial(NamedTuple):
    """A trial that is ready to be started."""

    path: Path
    command: str
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
        UserError: its folder cannot be written.
    """
    trial = _prepare(asked, setting)
    _wait_for_others(trial, stop)
    try:
        status = _run(trial, asked, stop)
    finally:
        results = [_result(run) for run in trial.runs]
        if any(results):
            asked.note(RESULTS, results)
    if status != 0:
        raise GivenUpError(_reason(status, trial, results))
    bests = [(result.get("best") or {}).get(setting.figure) for result in results]
    values = [value for value in bests if value is not None]
    diverged = [result["reason"] for result in results if result.get("status") == "diverged"]
    if diverged:
        raise GivenUpError(f"diverged: {diverged[0]}")
    if len(values) < len(results):
        raise GivenUpError(f"validation had no finite {setting.figure}")
    return statistics.mean(values)


def _prepare(asked: Asked, setting: Setting) -> Trial:
    """Makes a trial's folder, or finds it."""
    sweep, point = setting.sweep, asked.point
    base = setting.base._replace(sections=overridden(setting.base.sections, IN_STUDIES))
    try:
        seeds = members.build(base, sweep, "this point", at=[point])
    except UserError as error:  # keys that contradict each other here, though not at the ends of the ranges
        raise GivenUpError(str(error)) from error
    name = f"trials/{_key(seeds)}"
    asked.note(FOLDER, name)
    path = setting.folder.path / name
    if len(seeds) == 1:
        runs, command = [open_run(path, seeds[0].config)], "main"
    else:
        population = SweepFolder(path)
        population.open(base, _of_one_point(sweep, point))
        runs, command = [population.member(number) for number in range(len(seeds))], "sweep"
    return Trial(path, command, runs, Evaluations([run.metrics for run in runs], setting.figure))


def _of_one_point(sweep: Sweep, point: Point) -> Sweep:
    nothing = {"ranges": {}, "draws": None, "sampler": None, "pruning": None}
    return sweep.model_copy(update={"grid": {key: (value,) for key, value in point.items()}, **nothing})


def _key(seeds: list[Member]) -> str:
    """The hash of a trial's config, but for what changes no figure."""
    text = json.dumps([comparable(seeds[0].config), len(seeds)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:NAME_LENGTH]


def _wait_for_others(trial: Trial, stop: Stop) -> None:
    """Waits for who is at work in the folder: a process whose worker died, or the same point twice."""
    while is_locked(trial.path):
        if stop.requested is not None:
            raise PutBackError
        time.sleep(LOOKS_EVERY_SECONDS)


def _run(trial: Trial, asked: Asked, stop: Stop) -> int:
    """Runs the command to its end, and tells the study of its evaluations; its exit status."""
    command = [sys.executable, *CHILD, str(os.getpid()), trial.command, "--workdir", str(trial.path)]
    with (trial.path / OUTPUT).open("ab") as output:
        # In a session of its own: Ctrl-C is this process's to hear, which then asks the other to stop.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            while (status := _ended(process)) is None:
                _tell(trial, asked)
                if stop.requested is not None:
                    raise PutBackError
            _tell(trial, asked)
        finally:
            process.terminate()  # nothing, where it has ended
            process.wait()
    if -status in STOPPING or status - 128 in STOPPING:
        time.sleep(LOOKS_EVERY_SECONDS)  # who stops everything may have reached that process first
        if stop.requested is not None:
            raise PutBackError
    return status


def _ended(process: "subprocess.Popen[bytes]") -> int | None:
    """The exit status, if there is one before long."""
    try:
        return process.wait(LOOKS_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _tell(trial: Trial, asked: Asked) -> None:
    """Raises PrunedError where the study gives the trial up."""
    for number, value in enumerate(trial.evaluations.values(), start=1):
        asked.report(number, value)


def _result(run: RunFolder) -> dict[str, Any]:
    """What is known of a run; nothing where it did not begin."""
    summary = run.read_summary()
    return {} if summary is None else {**summary, "hardware": records.hardware()}


def _reason(status: int, trial: Trial, results: list[dict[str, Any]]) -> str:
    """Why a command ended with a status that is not 0."""
    if status == DivergedError.exit_status and "reason" in results[0]:
        return f"diverged: {results[0]['reason']}"
    if status == -signal.SIGKILL:
        return f"killed ({signal.Signals(-status).name}); most likely memory was not enough"
    if status < 0:
        return f"killed ({signal.Signals(-status).name})"
    lines = (trial.path / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    last = errors[-1] if errors else lines[-1] if lines else f"exit status {status}"
    return last[:500]
