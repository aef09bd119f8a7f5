"""A job on its devices: compiled steps, and the data and hyperparameters where the steps want them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from rnn_jax.runtime.devices import Devices, shardings
from rnn_jax.tasks.task import Arrays, Hyper
from rnn_jax.training import steps
from rnn_jax.training.build import Job
from rnn_jax.training.state import State, init, place

Result = TypeVar("Result")


class Program(NamedTuple):
    """What a loop calls. Steps are compiled at their first call."""

    job: Job
    devices: Devices
    data: Mapping[str, Arrays]
    """The arrays of each split, whole on every device."""
    hyper: Hyper
    train_step: Callable[[State, Hyper, Arrays, jax.Array], State]
    eval_step: Callable[..., Any]
    output_step: Callable[..., Any]
    take_metrics: Callable[[State], Any]

    def init(self) -> State:
        """The state before the first step, drawn from the plan's seed."""
        key = jax.random.key(self.job.plan.seed)
        return place(jax.jit(partial(init, self.job))(self.job.hyper, key), self.devices.mesh)

    def settle(self, result: Result) -> Result:
        """A step's result, waited for where the devices take turns; call it before the next step."""
        return jax.block_until_ready(result) if self.devices.take_turns else result

    def indices(self, split: str, step: int) -> jax.Array:
        """The example numbers of a batch [rows], on the devices."""
        rows = steps.pad_rows(self.job.task.select(split, self.job.plan.seed, step), self.devices.number)
        return jax.device_put(rows, shardings(self.devices.mesh, steps.ROWS))


def load(job: Job, devices: Devices) -> Program:
    """Puts a job on devices."""
    mesh = devices.mesh
    whole = shardings(mesh, steps.WHOLE)
    return Program(
        job=job,
        devices=devices,
        data={split: _put(arrays, whole) for split, arrays in job.data.splits.items()},
        hyper=jax.device_put(job.hyper, whole),
        train_step=steps.compile_step(partial(steps.train_step, job), mesh, steps.TRAIN),
        eval_step=steps.compile_step(partial(steps.eval_step, job), mesh, steps.EVALUATE),
        output_step=steps.compile_step(partial(steps.output_step, job), mesh, steps.OUTPUT),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0),
    )


def _put(arrays: Mapping[str, np.ndarray], sharding: jax.sharding.Sharding) -> dict[str, jax.Array]:
    return {name: jax.device_put(array, sharding) for name, array in arrays.items()}
