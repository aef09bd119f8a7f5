"""What surrounds training: the locked run folder, signals, other processes, open files, memory errors."""

import contextlib
import dataclasses
import json
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.saver import Saver
from rnn_jax.config.run_folder import (
    MAY_DIFFER,
    NOT_STORED,
    RunFolder,
    make_folder,
    open_run,
    sweep_of,
)
from rnn_jax.config.schema import Config
from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import Log
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed.synchronization import Synchronizer
from rnn_jax.runtime.errors import UserError, as_user_error
from rnn_jax.runtime.files import as_storage_errors
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.training import memory
from rnn_jax.training.build import Job
from rnn_jax.training.meter import Display
from rnn_jax.training.population.population import Trainable
from rnn_jax.training.population.pruning import Halving
from rnn_jax.training.progress import FINISHED, RUNNING, MemberStatus, Progress
from rnn_jax.training.summary import Summary


class Session(NamedTuple):
    """The run folder of this process, and its requests to stop."""

    folder: RunFolder
    stop: StopSignal
    is_new: bool
    """Whether the folder was made by this session."""


@contextlib.contextmanager
def open_session(config: Config, workdir: Path) -> Iterator[Session]:
    """Handle signals and out-of-memory errors, lock the run folder, and open it.

    Only the coordinator process of a run writes into the run folder; what another process would write goes to
    a temporary folder, while it reads the run's checkpoints.

    Raises:
        UserError: another process trains in the folder, or it holds another run.
        OutOfMemoryError: in place of an error of XLA or Python.
    """
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(StopSignal())
        stack.enter_context(memory.explain_out_of_memory(config))
        if not config.runtime.processes.is_coordinator:
            scratch = stack.enter_context(tempfile.TemporaryDirectory())
            yield Session(RunFolder(Path(scratch), RunFolder(workdir).checkpoints), stop, is_new=False)
            return
        is_new = not RunFolder(workdir).config.exists()
        make_folder(workdir)
        if (sweep := sweep_of(workdir)) is not None:  # which trains in the folders of its members
            stack.enter_context(locked(sweep))
        stack.enter_context(locked(workdir))
        _reopen_finished(RunFolder(workdir))
        yield Session(open_run(workdir, config), stop, is_new)


def synchronize(
    config: Config, job: Job, devices: Devices, run_folder: Path, stop: StopSignal
) -> Synchronizer:
    """Check that the processes of a run train the same, in one folder; from here on they stop together.

    Raises:
        UserError: they do not.
    """
    synchronizer = Synchronizer(devices)
    if not synchronizer.is_single:
        stop.synchronize_by(synchronizer.delayed_maximum)
        synchronizer.require_equal(_hash_of_config(config), "config")
        synchronizer.require_equal(_hash(f"{job.data.version} {job.data.counts}"), "data")
        synchronizer.require_shared_folder(run_folder)
    return synchronizer


def begin(
    program: Trainable, checkpoints: Path, display: Display, synchronizer: Synchronizer, members: int = 1
) -> tuple[Any, Progress]:
    """Return the state and progress to train from: the latest valid checkpoint's, or the initial ones.

    Args:
        program: the compiled steps of a model, or of a population.
        checkpoints: the folder of checkpoints.
        display: where invalid checkpoints are reported.
        synchronizer: between the processes of a run.
        members: number of models.

    Raises:
        CheckpointError: there are checkpoints, and none is valid.
        UserError: the checkpoint is of another number of devices, and the config does not allow that.
    """
    devices = program.devices
    if synchronizer.is_coordinator:
        store.remove_unfinished(checkpoints)
    synchronizer.barrier("leftovers are removed")
    found = store.steps(checkpoints)
    synchronizer.require_equal(found[-1] if found else 0, "checkpoints: they need a shared run folder")
    if not found:
        return program.init(), Progress(devices.device_count, (MemberStatus(),) * members)

    state, progress, warnings = synchronizer.restore_same(lambda at: restore(program, checkpoints, at))
    for line in warnings:
        display.warn(line)
    if progress.devices != devices.device_count:
        if not devices.allow_device_change:
            raise UserError(
                f"{checkpoints.parent}: trained on {progress.devices} devices so far, and its last bits "
                f"depend on that; now there are {devices.device_count}\n"
                f"Set runtime.devices={progress.devices}, or runtime.allow_device_change=True."
            )
        progress = dataclasses.replace(progress, devices=devices.device_count)
    step = int(state.step)
    if step < program.job.plan.last_step:  # a finished run may be trained for longer
        lengthened = {
            number: dataclasses.replace(member, status=RUNNING)
            for number, member in enumerate(progress.members)
            if member.status == FINISHED
        }
        progress = progress.with_members(lengthened)
    display.info(f"resuming after step {step:,}")
    return state, progress


def restore(
    program: Trainable, checkpoints: Path, at: int | None, *, only_planned: bool = False
) -> tuple[Any, Progress, Sequence[str]]:
    """Restore the state and progress of a checkpoint: for `Synchronizer.restore_same`.

    Args:
        program: the compiled steps of a model, or of a population.
        checkpoints: the folder of checkpoints.
        at: the step of the checkpoint; None: the newest valid one.
        only_planned: consider only checkpoints that the config alone asks for.

    Returns:
        The state, the progress, and a warning for each invalid checkpoint that was skipped.

    Raises:
        CheckpointError: none is valid.
    """
    if at is None:
        found = store.recover(checkpoints, only_planned=only_planned)
    else:
        found = store.open_checkpoint(store.path_of(checkpoints, at))
    state, progress = program.restore(found)
    return state, progress, found.warnings


class Run(NamedTuple):
    """What training reads and writes besides its program: by member, where there are several."""

    folders: Sequence[RunFolder]
    logs: Sequence[Log]
    summaries: Sequence[Summary]
    checkpoints: Path
    """The folder of checkpoints, each of which has all members."""
    saver: Saver
    display: Display
    stop: StopSignal
    synchronizer: Synchronizer
    halving: Halving
    """When members are pruned."""


@contextlib.contextmanager
def open_files(
    config: Config,
    program: Trainable,
    folders: Sequence[RunFolder],
    checkpoints: Path,
    synchronizer: Synchronizer,
    *,
    constant: Mapping[str, Any],
    step: int,
    progress: Progress,
    console: Console,
    display: Display,
    stop: StopSignal,
    started: float,
    halving: Halving | None = None,
) -> Iterator[Run]:
    """Open the logs of every member and the checkpoints of all, and close them when training ends.

    Where training fails, the summaries say so.

    Args:
        config: the config, of the first member.
        program: what is trained.
        folders: the run folder of each member.
        checkpoints: the folder of checkpoints, each with all members.
        synchronizer: between the processes of a run.
        constant: what `summary.constants` returned.
        step: updates made: logs are cut to it.
        progress: what the loop decides by.
        console: where samples of text are shown.
        display: where the rest is shown.
        stop: the requests to stop.
        started: when this process began, on `time.perf_counter`'s clock.
        halving: when members are pruned; None: never.
    """
    summaries = [Summary(program.job, constant, folder, started, step) for folder in folders]
    with contextlib.ExitStack() as files:
        try:
            logs = [
                files.enter_context(contextlib.closing(Log(folder, console, config.log)))
                for folder in folders
            ]
            for each in logs:
                each.resume(step, progress.evaluated_at)
            saver = Saver(checkpoints, config.checkpoint, program.job.task.objective, synchronizer)
            files.enter_context(contextlib.closing(saver))
            # Out-of-memory errors are translated here already: the summaries are to have the message.
            with memory.explain_out_of_memory(config, len(folders)), as_storage_errors():
                yield Run(
                    folders=folders,
                    logs=logs,
                    summaries=summaries,
                    checkpoints=checkpoints,
                    saver=saver,
                    display=display,
                    stop=stop,
                    synchronizer=synchronizer,
                    halving=halving or Halving(),
                )
        except Exception as error:
            files.close()
            for summary in summaries:
                summary.fail(str(as_user_error(error) or repr(error)))
            raise


def _reopen_finished(folder: RunFolder) -> None:
    """Mark a finished run as running before its config changes: it is to be trained for longer."""
    summary = folder.read_summary()
    if summary is not None and summary.get("status") == "finished":
        folder.write_summary({**summary, "status": "running"})


def _hash_of_config(config: Config) -> int:
    """Return a hash of a config without the keys in which processes of a run may differ."""
    sections: Mapping[str, Any] = config.model_dump()
    own = [f"runtime.{key}" for key in NOT_STORED]
    own += [key for key in MAY_DIFFER if key.startswith("dataset.")]
    for key in own:
        section, _, name = key.partition(".")
        del sections[section][name]
    return _hash(json.dumps(sections, sort_keys=True))


def _hash(text: str) -> int:
    return zlib.crc32(text.encode()) >> 1
