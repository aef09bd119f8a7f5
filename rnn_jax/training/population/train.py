"""Training a population in the run folders of its members."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config
from rnn_jax.reporting.console import Console
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.signals import StopSignal
from rnn_jax.training.build import Job
from rnn_jax.training.fit import fit
from rnn_jax.training.population import steps
from rnn_jax.training.population.display import SweepDisplay
from rnn_jax.training.population.population import Population
from rnn_jax.training.population.pruning import Halving
from rnn_jax.training.population.steps import Members
from rnn_jax.training.progress import DIVERGED, PRUNED, RUNNING, MemberStatus
from rnn_jax.training.session import begin, open_files, synchronize
from rnn_jax.training.summary import constants

STATUSES = {RUNNING: "interrupted", PRUNED: "pruned", DIVERGED: "diverged"}
"""What summary.json calls the status of a member that has ended; others are finished."""


def train_population(
    config: Config,
    job: Job,
    where: Devices,
    members: Members,
    folders: Sequence[RunFolder],
    checkpoints: Path,
    *,
    display: SweepDisplay,
    stop: StopSignal,
    halving: Halving,
) -> list[tuple[MemberStatus, dict[str, Any]]]:
    """Train all members to their end, or until a signal; resume where the folder has a checkpoint.

    Args:
        config: the config of the first member.
        job: what it describes.
        where: the devices.
        members: the values in which the members differ.
        folders: the run folder of each member, which exists.
        checkpoints: the folder of the checkpoints of all members together.
        display: where progress is shown.
        stop: the requests to stop.
        halving: when members are pruned.

    Returns:
        The status of each member, 'running' where a signal came, and its summary; times are the population's.

    Raises:
        UserError: the checkpoint is of another number of devices, and the config does not allow that.
        StorageError: a checkpoint could not be written.
        Interrupted: a signal came before the first update.
    """
    started = time.perf_counter()
    how = steps.lay_out(where.mesh.devices.flat[0].platform)
    synchronizer = synchronize(config, job, where, checkpoints.parent, stop)
    with jax.default_matmul_precision(where.matmul_precision):
        with stop.raising():
            program = Population(steps.load(job, where, how), where, members)
            state, progress = begin(program, checkpoints, display, synchronizer, len(folders))
        with open_files(
            config,
            program,
            folders,
            checkpoints,
            synchronizer,
            constant=constants(job, where),
            step=int(state.step),
            progress=progress,
            console=Console(),
            display=display,
            stop=stop,
            started=started,
            halving=halving,
        ) as run:
            ended = fit(program, state, progress, run).progress.members
            updates = sum(member.step for member in ended)
            rate = updates * job.units_per_step / run.summaries[0].wall_seconds
            summaries = [
                summary.write(
                    STATUSES.get(member.status, "finished"), member.step, member, rate, reason=member.reason
                )
                for summary, member in zip(run.summaries, ended, strict=True)
            ]
            return list(zip(ended, summaries, strict=True))
