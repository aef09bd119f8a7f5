"""What surrounds training: the locked run folder, signals, other processes, open files, memory errors."""

import contextlib
import dataclasses
import json
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rnn_jax.catalogue import CELLS
from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.saver import Saver
from rnn_jax.config.run_folder import (
    MAY_DIFFER,
    NOT_STORED,
    RunFolder,
    check_run,
    make_folder,
    open_run,
    sweep_of,
)
from rnn_jax.config.schema import Config
from rnn_jax.config.values import flatten
from rnn_jax.models.parameter_groups import matrices_without_group
from rnn_jax.reporting.log import Log
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed.synchronization import Synchronizer
from rnn_jax.runtime.errors import UserError, as_user_error
from rnn_jax.runtime.files import as_storage_errors
from rnn_jax.runtime.lock import locked
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.training import memory
from rnn_jax.training.build import Job
from rnn_jax.training.meter import Display, Meter
from rnn_jax.training.population.population import Trainable
from rnn_jax.training.population.pruning import Halving
from rnn_jax.training.progress import FINISHED, RUNNING, MemberStatus, Progress
from rnn_jax.training.state import shapes
from rnn_jax.training.summary import Summary, constants


@contextlib.contextmanager
def open_session(config: Config, workdir: Path) -> Iterator[tuple[RunFolder, StopSignal, bool]]:
    """Handle signals and out-of-memory errors, lock the run folder, and check it; yield whether it is new.

    A new folder gets its config.json; `reopen` writes that of another, once its data were checked.
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
            yield RunFolder(Path(scratch), RunFolder(workdir).checkpoints), stop, False
            return
        folder = RunFolder(workdir)
        is_new = not folder.config.exists()
        make_folder(workdir)
        if (sweep := sweep_of(workdir)) is not None:  # which trains in the folders of its members
            stack.enter_context(locked(sweep))
        stack.enter_context(locked(workdir))
        check_run(workdir, config)
        yield open_run(workdir, config) if is_new else folder, stop, is_new


def reopen(folder: RunFolder, config: Config) -> None:
    """Write the config of a run that is about to be trained, for longer where it has finished."""
    open_run(folder.path, config)
    if (summary := folder.read_summary() or {}).get("status") == "finished":
        folder.write_summary({**summary, "status": "running"})


class Run(NamedTuple):
    """What training reads and writes besides its program: by member, where there are several."""

    folders: Sequence[RunFolder]
    logs: Sequence[Log]
    summaries: Sequence[Summary]
    checkpoints: Path  # the folder of checkpoints, each of which has all members
    saver: Saver
    meter: Meter
    display: Display
    stop: StopSignal
    synchronizer: Synchronizer
    halving: Halving  # when members are pruned


@contextlib.contextmanager
def begin(
    config: Config,
    job: Job,
    where: Devices,
    load: Callable[[Job, Devices], Trainable],
    folders: Sequence[RunFolder],
    checkpoints: Path,
    display: Display,
    stop: StopSignal,
    started: float,
    halving: Halving | None = None,
) -> Iterator[tuple[Trainable, Any, Progress, Run]]:
    """Load a job, restore the latest valid checkpoint or initialize, and open the logs of every member.

    The processes of a run train the same, in one folder, and stop together. Where training fails, the
    summaries have the reason. `config`, of the first member, describes `job`. `checkpoints` is the folder of
    checkpoints of all members together, `started` when this process began, by `time.perf_counter`.

    Raises:
        CheckpointError: there are checkpoints, and none is valid.
        UserError: the checkpoint is of another number of devices, and the config does not allow that; or the
            processes differ.
        Interrupted: a signal came before training.
    """
    synchronizer = Synchronizer(where)
    if not synchronizer.is_single:
        stop.synchronize_by(synchronizer.delayed_maximum)
        synchronizer.require_equal(_hash_of_config(config), "config")
        synchronizer.require_equal(_hash(f"{job.data.version} {job.data.counts}"), "data")
        synchronizer.require_shared_folder(checkpoints.parent)
    with contextlib.ExitStack() as files:
        files.enter_context(jax.default_matmul_precision(where.matmul_precision))
        with stop.raising():
            program, constant = load(job, where), constants(job, where)
            display.header(constant, folders[0])
            _warn_of_ungrouped(job, config.model.cell, display)
            state, progress = _restore_or_init(program, checkpoints, display, synchronizer, len(folders))
        step = int(state.step)
        summaries = [Summary(job, constant, folder, started, step) for folder in folders]
        try:
            logs = [
                files.enter_context(contextlib.closing(Log(folder, display.log_console, config.log)))
                for folder in folders
            ]
            for log in logs:
                log.resume(step, progress.evaluated_at)
            saver = Saver(checkpoints, config.checkpoint, job.task.objective, synchronizer)
            files.enter_context(contextlib.closing(saver))
            meter, halving = Meter(program, logs, display), halving or Halving()
            run = Run(
                folders, logs, summaries, checkpoints, saver, meter, display, stop, synchronizer, halving
            )
            # Out-of-memory errors are translated here already: the summaries are to have the message.
            with memory.explain_out_of_memory(config, len(folders)), as_storage_errors():
                yield program, state, progress, run
        except Exception as error:
            files.close()
            for summary in summaries:
                summary.fail(str(as_user_error(error) or repr(error)))
            raise


def _warn_of_ungrouped(job: Job, cell: str, display: Display) -> None:
    """Warn of matrices that weight decay does not act on because their cell declares no group for them."""
    found = matrices_without_group(shapes(job).parameters, CELLS[cell]) if "weight_decay" in job.hyper else []
    if found:
        display.warn(
            f"optimizer.weight_decay does not act on {', '.join(found)}: give each a group, such as "
            f"'kernels', with parameter_groups in register_cell({cell!r}, ...)"
        )


def _restore_or_init(
    program: Trainable, checkpoints: Path, display: Display, synchronizer: Synchronizer, members: int
) -> tuple[Any, Progress]:
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
        finished = [number for number, member in enumerate(progress.members) if member.status == FINISHED]
        progress = progress.change({number: {"status": RUNNING} for number in finished})
    display.info(f"resuming after step {step:,}")
    return state, progress


def restore(
    program: Trainable, checkpoints: Path, at: int | None, *, only_planned: bool = False
) -> tuple[Any, Progress, Sequence[str]]:
    """Restore the checkpoint of a step (None: the newest valid one), for `Synchronizer.restore_same`.

    With `only_planned`, only checkpoints that the config alone asks for are considered. Return the state, the
    progress, and a warning for each invalid checkpoint that was skipped; raise CheckpointError if all are.
    """
    if at is None:
        found = store.recover(checkpoints, only_planned=only_planned)
    else:
        found = store.open_checkpoint(store.path_of(checkpoints, at))
    state, progress = program.restore(found)
    return state, progress, found.warnings


def _hash_of_config(config: Config) -> int:
    """Return a hash of a config without the keys in which processes of a run may differ."""
    own = {f"runtime.{key}" for key in NOT_STORED}
    own |= {key for key in MAY_DIFFER if key.startswith("dataset.")}
    values = {key: value for key, value in flatten(config.model_dump()).items() if key not in own}
    return _hash(json.dumps(values, sort_keys=True))


def _hash(text: str) -> int:
    return zlib.crc32(text.encode()) >> 1
