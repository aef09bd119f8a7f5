"""A job on its devices: compiled steps, and the data and hyperparameters placed where they need them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from rnn_jax.checkpoints.store import Checkpoint
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.distributed.placement import REPLICATED, SHARDED, put, shardings
from rnn_jax.tasks import metrics
from rnn_jax.tasks.task import Arrays, Hyper
from rnn_jax.training import steps
from rnn_jax.training.build import Job
from rnn_jax.training.evaluate import evaluate, training_batch
from rnn_jax.training.progress import MemberStatus, Progress, progress_of
from rnn_jax.training.state import State, from_tree, init, place, to_tree, with_rows
from rnn_jax.training.steps import Taken

Result = TypeVar("Result")
ByMember = dict[int, dict[str, float]]
"""Metrics of each running member, by its number."""


class Health(NamedTuple):
    """Whether a model may train on."""

    diverged_at: int
    """The update, counted from 0, at which it diverged; -1: it has not."""
    skipped: int
    """Updates skipped because the loss or the gradient was not finite."""
    is_finite: bool
    """Whether its parameters are: an update may overflow although its gradient is finite."""

    def fault(self, step: int) -> str | None:
        """Return why the model after `step` updates is not to be kept; None where it is."""
        if self.diverged_at >= 0:
            return f"the loss or its gradient was not finite at update {self.diverged_at + 1}"
        return None if self.is_finite else f"the parameters are not finite after update {step}"


class Program(NamedTuple):
    """One model, for the training loop the member number 0. Steps are compiled at their first call.

    `population.Population` has the same methods for many models; the loop reads nothing of a state but its
    `step`.
    """

    job: Job
    devices: Devices
    data: Mapping[str, Arrays]
    """The arrays of each split, replicated on every device."""
    hyper: Hyper
    train_step: Callable[..., Any]
    """(state, hyper, data, indices) -> state, see `steps.train_step`."""
    eval_step: Callable[..., Any]
    output_step: Callable[..., Any]
    take_metrics: Callable[[State], tuple[State, Taken]]
    is_finite: Callable[[State], jax.Array]

    def init(self) -> State:
        """Return the state before the first step, initialized from the plan's seed."""
        key = jax.random.key(self.job.plan.settings.seed)
        state = jax.jit(partial(init, self.job))(self.job.hyper, key)
        return self.from_saved(jax.block_until_ready(state))  # raises where it runs out of memory

    def restore(self, found: Checkpoint) -> tuple[State, Progress]:
        """Read a checkpoint, and place its state where the compiled steps need it.

        Raises:
            CheckpointError: it is another model's.
        """
        template = jax.eval_shape(partial(init, self.job), dict(self.job.hyper), jax.random.key(0))
        return self.from_saved(from_tree(found.restore(to_tree(template)))), progress_of(found)

    def to_save(self, state: Any) -> Mapping[str, Any]:
        """Return the arrays to save: the carry without padding rows, and gathered from all processes."""
        rows = self.job.task.carry_rows
        if rows is None:
            return to_tree(state)
        if not self.devices.processes.is_single:
            state = state._replace(carry=self._gather(state.carry))
        return to_tree(with_rows(state, rows["train"]))

    def from_saved(self, state: Any) -> State:
        """Place a saved state where the compiled step needs it: otherwise the step would compile twice."""
        rows = self.job.task.carry_rows
        padded = state if rows is None else with_rows(state, self._padded(rows["train"]))
        return place(padded, self.devices.mesh)

    def running(self, state: Any) -> dict[int, int]:
        """Return the place of the one model."""
        del state
        return {0: 0}

    def member(self, tree: Any, place: int) -> Any:
        """Return the arrays as they are: there is one model."""
        del place
        return tree

    def places_of(self, state: Any) -> None:
        """Return nothing: there is one model."""
        del state

    def hyper_of(self, state: Any, rate_factors: Sequence[float]) -> Hyper:
        """Return the hyperparameters, the learning rate times the model's factor."""
        del state
        if rate_factors[0] == 1:
            return self.hyper
        rate = self.hyper["learning_rate"]
        lower = put(np.asarray(rate) * np.float32(rate_factors[0]), rate.sharding)
        return {**self.hyper, "learning_rate": lower}

    def batch_of(self, state: Any, step: int) -> jax.Array:
        """Return what the task selected for training batch number `step`, on the devices."""
        del state
        return self.indices("train", step)

    def means(self, sums: Any) -> dict[str, float]:
        """Divide fetched (sum, count) pairs."""
        return metrics.merge([sums])

    def health(self, state: Any) -> dict[int, Health]:
        """Return the health of the model; waits for the last update."""
        found = placement.fetch((state.diverged_at, state.skipped, self.is_finite(state)))
        return {0: Health(int(found[0]), int(found[1]), bool(found[2]))}

    def evaluate_members(
        self, state: Any, split: str, between: Callable[[], None] = lambda: None
    ) -> ByMember:
        """Return the metrics of a whole split."""
        return {0: evaluate(self, state.evaluated, split, between)}

    def training_batch(self, state: Any, step: int) -> ByMember:
        """Return the metrics of training batch number `step`, without augmentation."""
        return {0: training_batch(self, state.parameters, step)}

    def generating(self, state: Any, number: int) -> tuple[Any, int]:
        """Return the evaluated parameters and the seed."""
        del number
        return state.evaluated, self.job.plan.settings.seed

    def keep_best(self, state: Any, improved: Collection[int]) -> State:
        """Return the state: the best one is a checkpoint of its own."""
        del improved
        return state

    def retire(
        self,
        state: Any,
        ended: Sequence[int],
        members: Sequence[MemberStatus],
        folders: Sequence[RunFolder],
    ) -> State:
        """Return the state: a run ends with its model."""
        del ended, members, folders
        return state

    def initial_carry(self, split: str) -> Any:
        """Return the carry that an evaluation of a split begins with; None where each batch resets it."""
        rows = self.job.task.carry_rows
        if rows is None:
            return None
        carry = self.job.network.initial_carry(self._padded(rows[split]))
        return put(carry, shardings(self.devices.mesh, SHARDED))

    def settle(self, result: Result) -> Result:
        """Wait for a step's result where the devices take turns; call it before the next step."""
        return jax.block_until_ready(result) if self.devices.blocks_each_step else result

    def _padded(self, rows: int) -> int:
        """Round a number of rows up to a multiple of the devices."""
        return rows + -rows % self.devices.device_count

    def indices(self, split: str, step: int) -> jax.Array:
        """Return what the task selected for a batch [rows, ...], on the devices."""
        rows = steps.pad_rows(
            self.job.task.select(split, self.job.plan.settings.seed, step), self.devices.device_count
        )
        return put(rows, shardings(self.devices.mesh, SHARDED))

    def _gather(self, tree: Any) -> Any:
        whole = shardings(self.devices.mesh, REPLICATED)
        return jax.jit(lambda tree: tree, out_shardings=whole)(tree)


def load(job: Job, devices: Devices) -> Program:
    """Place a job on devices."""
    mesh = devices.mesh
    whole = shardings(mesh, REPLICATED)
    return Program(
        job=job,
        devices=devices,
        data={split: put(dict(arrays), whole) for split, arrays in job.device_arrays.items()},
        hyper=put(dict(job.hyper), whole),
        train_step=steps.compile_step(partial(steps.train_step, job), mesh, steps.TRAIN),
        eval_step=steps.compile_step(partial(steps.eval_step, job), mesh, steps.EVALUATE),
        output_step=steps.compile_step(partial(steps.output_step, job), mesh, steps.OUTPUT),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0),
        is_finite=jax.jit(steps.is_finite),
    )
