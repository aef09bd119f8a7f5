"""From a config to a job: the one place where data sets, tasks, networks and optimizers meet."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rnn_jax import datasets, models, tasks
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.models.network import Network
from rnn_jax.tasks.task import Splits, Task
from rnn_jax.training import optimizer, plan
from rnn_jax.training.optimizer import Optimizer
from rnn_jax.training.plan import Plan


class Job(NamedTuple):
    """All that a run computes with: pure functions and plain values. Past here nobody sees the config."""

    task: Task
    data: Dataset
    network: Network
    optimizer: Optimizer
    plan: Plan
    hyper: Mapping[str, np.float32]

    @property
    def batch_shape(self) -> tuple[int, int]:
        """Rows of a batch, and time steps of a row."""
        return self.data.batch_size, int(self.task.spec["time_steps"])

    @property
    def units_per_step(self) -> int:
        """Examples, or tokens, of a batch: what rates count."""
        return self.data.batch_size * self.task.units_per_row

    @property
    def device_arrays(self) -> Splits:
        """The arrays of each split that the devices hold: none where the task reads them on the host."""
        if self.task.reads_on_host:
            return {split: {} for split in self.data.splits}
        return self.data.splits


def build(config: Config, data: Dataset | None = None) -> Job:
    """Builds the job that a config describes: its data set is prepared and read, JAX does not start.

    Args:
        config: the whole config.
        data: its data set, where it was read before.

    Raises:
        UserError: the data cannot be had.
    """
    sections, hyper = split_hyper(config)
    data = data or datasets.build_dataset(**sections["dataset"])
    task = tasks.build_task(data.spec, data.splits, data.batch_size, **sections["task"])
    network = models.build(task.spec, **sections["model"])
    schedule = plan.build(task.batches["train"], **sections["train"])
    return Job(
        task=task,
        data=data,
        network=network,
        optimizer=optimizer.build(schedule.epoch_steps, schedule.last_step, **sections["optimizer"]),
        plan=schedule,
        # NumPy's numbers: JAX has not started yet, and how is decided by the job.
        hyper={name: np.float32(value) for name, value in hyper.items()},
    )
