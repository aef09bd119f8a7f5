"""Workers of a study: each trains one trial after another until all have finished.

`python -m rnn_jax.sweeping.workers`, with the arguments of a sweep, is a worker process.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from rnn_jax.reporting.console import Console
from rnn_jax.reporting.formatting import format_metric
from rnn_jax.runtime.command import run_command
from rnn_jax.runtime.devices import available_cores
from rnn_jax.runtime.signals import Interrupted, StopSignal
from rnn_jax.sweeping.command import StudyOptions, without
from rnn_jax.sweeping.study.claimed import (
    ClaimedTrial,
    TrialFailedError,
    TrialPrunedError,
    TrialRequeuedError,
    TrialTakenOverError,
)
from rnn_jax.sweeping.study.study import Study
from rnn_jax.sweeping.trial import TrialSettings, train_trial
from rnn_jax.sweeping.trial_process import CHILD

POLL_SECONDS = 1.0
STORAGE = "RNN_JAX_STORAGE"
"""Environment variable of worker processes: the URL of the database."""
OUTCOMES: dict[type[Exception], str] = {
    TrialPrunedError: "pruned",
    TrialRequeuedError: "requeued, with a checkpoint",
    TrialTakenOverError: "taken over by another worker, since this one missed its heartbeats",
}


def work(study: Study, settings: TrialSettings, stop: StopSignal, console: Console) -> None:
    """Train trials until all of the study have finished, here or on other workers.

    Raises:
        Interrupted: stopped by a signal; the running trial is requeued.
        StudyStorageError: the database cannot be reached any more.
    """

    def train(trial: ClaimedTrial) -> float:
        return _train_and_log(trial, settings, stop, console)

    waiting = 0
    while True:
        stop.check()
        if study.run_next(train):
            waiting = 0
            continue
        unfinished = study.num_unfinished()
        if unfinished == 0:
            return
        if unfinished != waiting:
            trials = "a trial" if unfinished == 1 else f"{unfinished} trials"
            console.info(f"waiting for {trials} of other workers")
            waiting = unfinished
        time.sleep(POLL_SECONDS)


def _train_and_log(trial: ClaimedTrial, settings: TrialSettings, stop: StopSignal, console: Console) -> float:
    name, metric = f"trial {trial.number}", settings.objective.metric
    console.info(f"{name}: {', '.join(f'{key} = {value}' for key, value in trial.point.items())}")
    began = time.perf_counter()
    try:
        value = train_trial(trial, settings, stop)
    except TrialFailedError as error:
        console.warn(f"{name}: failed, {error}")
        raise
    except tuple(OUTCOMES) as error:
        console.info(f"{name}: {OUTCOMES[type(error)]}")
        raise
    console.info(f"{name}: {metric} {format_metric(metric, value)}, {time.perf_counter() - began:,.0f} s")
    return value


def run_workers(arguments: Sequence[str], options: StudyOptions, stop: StopSignal) -> list[int]:
    """Run several worker processes to their ends, and return their exit statuses.

    Args:
        arguments: of the sweep.
        options: of the study.
        stop: this process's signals; workers receive SIGTERM.

    Raises:
        Interrupted: stopped by a signal, as all workers are.
    """
    command = [sys.executable, *CHILD, str(os.getpid()), "sweeping.workers", *without(arguments, "storage")]
    # All users can see a process's arguments, so the URL with its password is in the environment.
    environment = {**os.environ, STORAGE: options.url}
    processes = []
    for cores in _cores_of_workers(options.workers):
        # In sessions of their own: Ctrl-C reaches only this process, which then stops them.
        process = subprocess.Popen(command, start_new_session=True, env=environment)
        processes.append(process)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, cores)
    terminated = False
    while any(process.poll() is None for process in processes):
        if stop.requested is not None and not terminated:
            terminated = True
            for process in processes:
                process.terminate()
        time.sleep(0.1)
    if stop.requested is not None:
        raise Interrupted(stop.requested)
    return [process.returncode for process in processes]


def _cores_of_workers(count: int) -> list[set[int]]:
    """The CPU cores of each worker, disjoint if there are enough."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(available_cores())
    if count >= len(cores):
        return [{cores[number % len(cores)]} for number in range(count)]
    return [set(cores[number::count]) for number in range(count)]


if __name__ == "__main__":
    from rnn_jax.sweeping.study_run import run_worker

    with run_command(long_running=True) as worker:
        worker.exit_status = run_worker(worker.arguments)
    sys.exit(worker.exit_status)
