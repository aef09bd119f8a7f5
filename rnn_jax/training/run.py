"""A run from its config to its summary: its folder, its job, its devices; then see `execution.py`.

summary = train(load_config("configs/digits.py"), "runs/digits/first")
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rnn_jax.checkpoints import checkpoint
from rnn_jax.config.run_folder import (
    OwnFolder,
    RunFolder,
    make_folder,
    open_run,
    read_config,
    sweep_of,
)
from rnn_jax.config.schema import Config, split_hyper, validate
from rnn_jax.datasets import dataset_info
from rnn_jax.reporting.console import Console, build_console, silent_console
from rnn_jax.runtime import devices, processes
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed import joining
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.signals import Interrupted, Stop
from rnn_jax.training import memory
from rnn_jax.training.build import Job, build
from rnn_jax.training.execution import execute


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
        if _team(config).leads:
            open_run(workdir, config)  # where it may differ, the folder has the config that was given last
        return earlier
    if not _team(config).leads:
        return _train_along(config, workdir, started)
    is_new = not RunFolder(workdir).config.exists()
    make_folder(workdir)
    with Stop() as stop, _held(workdir), memory.telling(config):
        _begin_again(RunFolder(workdir))
        folder = open_run(workdir, config)
        try:
            try:
                job, where = _set_up(config, folder, stop)
            except UserError:
                if is_new:
                    folder.discard()
                raise
            return execute(config, job, where, folder, console, stop, started)
        except Interrupted as interrupted:
            return _interrupted_before_training(folder, interrupted)


def _train_along(config: Config, workdir: Path, started: float) -> dict[str, Any]:
    """Trains as one of several processes, of which another one logs and writes.

    It reads the checkpoints of the run folder, and what it would write itself is thrown away.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = OwnFolder(Path(scratch), workdir)
        with Stop() as stop, memory.telling(config):
            try:
                job, where = _set_up(config, folder, stop)
                return execute(config, job, where, folder, silent_console(), stop, started)
            except Interrupted as interrupted:
                return _interrupted_before_training(folder, interrupted)


def _team(config: Config) -> processes.Team:
    return processes.team(
        config.runtime.process_count, config.runtime.process_index, config.runtime.coordinator
    )


def _set_up(config: Config, folder: RunFolder, stop: Stop) -> tuple[Job, Devices]:
    """The job, and the devices it is trained on.

    Raises:
        Interrupted: a signal came. Once processes have joined, none leaves the others, which would wait.
    """
    team = _team(config)
    with stop.at_once():
        joining.join(team)
    with stop.at_once() if team.alone else contextlib.nullcontext():
        job = build(config)
        dataset_info.save(job.data, folder, has_checkpoint=bool(checkpoint.steps(folder.checkpoints)))
        sections, _ = split_hyper(config)
        rows, time_steps = job.batch_shape
        paying = devices.paying_cores(rows // team.count, time_steps)
        return job, devices.build(paying, **sections["runtime"])


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
