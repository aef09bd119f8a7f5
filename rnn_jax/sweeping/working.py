"""Workers of a study: each takes one trial after another until all have come to their end."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from rnn_jax.reporting.console import Console
from rnn_jax.reporting.formatting import format_metric
from rnn_jax.runtime.devices import available_cores
from rnn_jax.runtime.signals import Interrupted, Stop
from rnn_jax.sweeping import trial
from rnn_jax.sweeping.command import InStudy, without
from rnn_jax.sweeping.study.asked import Asked, GivenUpError, PrunedError, PutBackError, TakenError
from rnn_jax.sweeping.study.study import Study
from rnn_jax.sweeping.trial import Setting

LOOKS_EVERY_SECONDS = 1.0
STORAGE = "RNN_JAX_STORAGE"
"""The URL of the database, in the environment of workers."""


def work(study: Study, setting: Setting, stop: Stop, console: Console) -> None:
    """Takes trials until all of the study have come to their end, by this worker or others.

    Raises:
        Interrupted: a signal asked to stop, and the trial that was under way is put back.
        StudyStorageError: the database cannot be reached any more.
    """

    def run(asked: Asked) -> float:
        return _tried(asked, setting, stop, console)

    waiting = 0
    while True:
        stop.check()
        if study.next(run):
            waiting = 0
            continue
        missing = study.missing()
        if missing == 0:
            return
        if missing != waiting:
            trials = "a trial" if missing == 1 else f"{missing} trials"
            console.info(f"waiting for {trials} that other workers are at work on")
            waiting = missing
        time.sleep(LOOKS_EVERY_SECONDS)


def _tried(asked: Asked, setting: Setting, stop: Stop, console: Console) -> float:
    """Trains a trial, and says what came of it."""
    name = f"trial {asked.number}"
    console.info(f"{name}: {', '.join(f'{key} = {value}' for key, value in asked.point.items())}")
    began = time.perf_counter()
    try:
        value = trial.train(asked, setting, stop)
    except PrunedError:
        console.info(f"{name}: given up, it falls behind")
        raise
    except GivenUpError as error:
        console.warn(f"{name}: no result, {error}")
        raise
    except PutBackError:
        console.info(f"{name}: put back, with a checkpoint")
        raise
    except TakenError:
        console.warn(f"{name}: somebody else took it, since nothing was heard of this worker")
        raise
    seconds = time.perf_counter() - began
    console.info(f"{name}: {setting.figure} {format_metric(setting.figure, value)}, {seconds:,.0f} s")
    return value


def work_together(arguments: Sequence[str], in_study: InStudy, stop: Stop) -> list[int]:
    """Several workers as processes of their own; their exit statuses.

    Args:
        arguments: the command line of each of them.
        in_study: what it says of the study.
        stop: where this process is asked to stop, they are too.

    Raises:
        Interrupted: a signal asked to stop, and they have.
    """
    command = [sys.executable, "-m", "rnn_jax.sweeping.child", str(os.getpid()), "sweeping.worker"]
    shares = _shares(in_study.workers)
    # Where everybody sees what processes are called, nobody sees a password.
    environment = {**os.environ, STORAGE: in_study.url}
    own = without(arguments, "storage")
    # In sessions of their own: Ctrl-C is this process's to hear, which then asks them to stop.
    processes = [subprocess.Popen([*command, *own], start_new_session=True, env=environment) for _ in shares]
    for process, cores in zip(processes, shares, strict=True):
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, cores)
    asked = False
    while any(process.poll() is None for process in processes):
        if stop.requested is not None and not asked:
            asked = True
            for process in processes:
                process.terminate()
        time.sleep(0.1)
    if stop.requested is not None:
        raise Interrupted(stop.requested)
    return [process.returncode for process in processes]


def _shares(count: int) -> list[set[int]]:
    """The CPU cores of each of so many workers: its own where there are enough."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(available_cores())
    if count >= len(cores):
        return [{cores[number % len(cores)]} for number in range(count)]
    return [set(cores[number::count]) for number in range(count)]
