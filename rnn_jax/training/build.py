"""From a config to a job: the one place where data sets, tasks, networks and optimizers meet."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnn_jax import datasets, tasks
from rnn_jax.config.objective import choose_objective
from rnn_jax.config.schema import Config, split_hyper
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.models import Network, build_network
from rnn_jax.tasks import metrics
from rnn_jax.tasks.task import Splits, Task
from rnn_jax.training.optimizer import Optimizer, build_optimizer
from rnn_jax.training.plan import Plan, build_plan


class Job(NamedTuple):
    """What a run computes with: pure functions and plain values. Nothing after this has the whole config."""

    task: Task
    data: Dataset
    network: Network
    optimizer: Optimizer
    plan: Plan
    hyper: Mapping[str, np.float32]
    folds: Mapping[str, Any] | None = None  # of the last model of a cross-validation, see there

    @property
    def batch_shape(self) -> tuple[int, int]:
        """Rows of a batch, and time steps of a row."""
        return self.data.batch_size, int(self.task.spec["time_steps"])

    @property
    def units_per_step(self) -> int:
        """Examples, or tokens, of a batch: the units of the throughput."""
        return self.data.batch_size * self.task.units_per_row

    def metrics_of(self, parts: Iterable[Any]) -> dict[str, Any]:
        """Return the metrics of an evaluation from those of its batches, on the host; `recall` by class."""
        found = self.task.finalize(metrics.merge(parts))
        if "recall" in found:
            classes = self.data.classes or range(len(found["recall"]))  # generated data has no names
            found["recall"] = {str(name): value for name, value in zip(classes, found["recall"], strict=True)}
        return found

    @property
    def device_arrays(self) -> Splits:
        """The arrays of each split to place on the devices: none where the task reads them on the host."""
        return {name: {} for name in self.data.splits} if self.task.reads_on_host else self.data.splits


def build(config: Config, data: Dataset | None = None) -> Job:
    """Build the job that a config describes, with its data set (None: prepare and read it).

    JAX does not start. Raises UserError if the data set is not available, or the task does not evaluate a
    metric of `train.objective`.
    """
    sections, hyper = split_hyper(config)
    data = data or datasets.build_dataset(**sections["dataset"])
    task = tasks.build_task(data.spec, data.splits, data.batch_size, **sections["task"])
    task = task._replace(objective=choose_objective(config.train.objective, task.objective, task.evaluated))
    network = build_network(config.model, task.spec)
    plan = build_plan(config.train, task.batches["train"])
    # NumPy's, not JAX's: JAX has not started, and the job decides on how many devices it does.
    hyper = {name: np.float32(value) for name, value in hyper.items()}
    optimizer = build_optimizer(config.optimizer, plan, network.group_parameters)
    return Job(task, data, network, optimizer, plan, hyper)
