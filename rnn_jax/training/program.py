"""A job on its devices: compiled steps, and the data and hyperparameters placed where they need them."""

import math
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
from rnn_jax.training.progress import Progress, progress_of
from rnn_jax.training.state import PLACES, State, from_tree, init, place, shapes, to_tree, with_rows
from rnn_jax.training.steps import Taken

Result = TypeVar("Result")
ByMember = dict[int, dict[str, Any]]  # metrics of each running member, by its number
Between = Callable[[], None]  # called before every batch of an evaluation; it may raise


class Health(NamedTuple):
    """Whether a model may train on."""

    diverged_at: int  # the update, counted from 0, at which it diverged; -1: it has not
    skipped: int  # updates skipped because the loss or the gradient was not finite
    is_finite: bool  # whether its parameters are: an update may overflow although its gradient is finite

    def fault(self, step: int) -> str | None:
        """Return why the model after `step` updates is not to be kept; None where it is."""
        if self.diverged_at >= 0:
            return f"the loss or its gradient was not finite at update {self.diverged_at + 1}"
        return None if self.is_finite else f"the parameters are not finite after update {step}"


class Program(NamedTuple):
    """One model, for the training loop member 0 at place 0. Steps are compiled at their first call.

    `population.Population` has the same methods for many; the loop reads nothing of a state but its `step`.
    """

    job: Job
    devices: Devices
    data: Mapping[str, Arrays]  # the arrays of each split, replicated on every device
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
        return self._placed(jax.block_until_ready(state))  # raises where it runs out of memory

    def restore(self, found: Checkpoint) -> tuple[State, Progress]:
        """Read a checkpoint, and place its state; CheckpointError: it is another model's."""
        return self._placed(from_tree(found.restore(to_tree(shapes(self.job))))), progress_of(found)

    def _placed(self, state: State) -> State:
        rows = self.job.task.carry_rows
        padded = state if rows is None else with_rows(state, self._padded(rows["train"]))
        return place(padded, self.devices.mesh)

    def to_save(self, state: Any) -> Mapping[str, Any]:
        """Return the arrays to save: the carry without padding rows, and gathered from all processes."""
        rows = self.job.task.carry_rows
        if rows is None:
            return to_tree(state)
        if not self.devices.processes.is_single:
            whole = shardings(self.devices.mesh, REPLICATED)
            gather = jax.jit(lambda tree: tree, out_shardings=whole)
            state = state._replace(carry=gather(state.carry))
        return to_tree(with_rows(state, rows["train"]))

    def running(self, state: Any) -> dict[int, int]:
        """Return the place of each model that trains, by its number."""
        return {0: 0}

    def member(self, tree: Any, place: int) -> Any:
        """Return the part of fetched arrays that belongs to the model at a place."""
        return tree

    def places_of(self, state: Any) -> dict[str, list[int]] | None:
        """Return where the members of a population are, for its checkpoint."""
        return None

    def hyper_of(self, state: Any, rate_factors: Sequence[float]) -> Hyper:
        """Return the hyperparameters, the learning rate times each model's factor."""
        if rate_factors[0] == 1:
            return self.hyper
        rate = self.hyper["learning_rate"]
        lower = put(np.asarray(rate) * np.float32(rate_factors[0]), rate.sharding)
        return {**self.hyper, "learning_rate": lower}

    def indices(self, split: str, step: int) -> jax.Array:
        """Return what the task selected for a batch [rows, ...], with -1 for padding, on the devices."""
        rows = self.job.task.select(split, self.job.plan.settings.seed, step)
        padding = [(0, -len(rows) % self.devices.device_count)] + [(0, 0)] * (rows.ndim - 1)
        return put(np.pad(rows, padding, constant_values=-1), shardings(self.devices.mesh, SHARDED))

    def batch_of(self, state: Any, step: int) -> jax.Array:
        """Return what the task selected for training batch number `step`, on the devices."""
        return self.indices("train", step)

    def settle(self, result: Result) -> Result:
        """Wait for a step's result where the devices take turns; call it before the next step."""
        return jax.block_until_ready(result) if self.devices.blocks_each_step else result

    def means(self, sums: Any) -> dict[str, float]:
        """Divide fetched (sum, count) pairs."""
        return metrics.merge([sums])

    def health(self, state: Any) -> dict[int, Health]:
        """Return the health of each model that trains; waits for the last update."""
        found = placement.fetch((state.diverged_at, state.skipped, self.is_finite(state)))
        return {0: Health(*(part.item() for part in found))}

    def evaluate(self, parameters: Any, split: str, between: Between = lambda: None) -> dict[str, Any]:
        """Return the metrics of a whole split, every example counted once; `recall` has one of each class."""
        rows, carry, parts = self.job.task.carry_rows, None, []
        if rows is not None:
            carry = self.job.network.initial_carry(self._padded(rows[split]))
            carry = put(carry, shardings(self.devices.mesh, SHARDED))
        for step in range(math.ceil(self.job.task.batches[split])):
            between()
            indices = self.indices(split, step)
            part, carry = self.settle(
                self.eval_step(parameters, carry, self.hyper, self.data[split], indices)
            )
            parts.append(part)
        return self.job.metrics_of(placement.fetch(parts))

    def evaluate_members(self, state: Any, split: str, between: Between = lambda: None) -> ByMember:
        """Return the metrics of a whole split of each model, see `evaluate`.

        The last model of a cross-validation has no validation split: the means over the folds stand for it.
        """
        if split == "validation" and self.job.folds is not None:
            return {0: dict(self.job.folds["mean"])}
        return {0: self.evaluate(state.evaluated, split, between)}

    def training_batch(self, state: Any, step: int) -> ByMember:
        """Return the metrics of training batch number `step`, without augmentation."""
        indices = self.indices("train", step)
        part, _ = self.eval_step(state.parameters, None, self.hyper, self.data["train"], indices)
        return {0: self.means(placement.fetch(part))}

    def outputs(self, parameters: Any, split: str) -> np.ndarray:
        """Return the network's outputs for every example of a split, in its order: [examples, ...]."""
        numbers, parts = [], []
        for step in range(math.ceil(self.job.task.batches[split])):
            indices = self.indices(split, step)
            found = self.settle(self.output_step(parameters, self.hyper, self.data[split], indices))
            selected = np.asarray(indices).reshape(len(indices), -1)[:, 0]
            numbers.append(selected[selected >= 0])
            parts.append(placement.fetch(found)[selected >= 0])
        return np.concatenate(parts)[np.argsort(np.concatenate(numbers))]

    def generating(self, state: Any, number: int) -> tuple[Any, int]:
        """Return the evaluated parameters and the seed of a model."""
        return state.evaluated, self.job.plan.settings.seed

    def keep_best(self, state: Any, improved: Collection[int]) -> State:
        """Return the state that has the best states of the improved members; a run's is a checkpoint."""
        return state

    def retire(self, state: Any, progress: Progress, folders: Sequence[RunFolder]) -> State:
        """Return the state without the members that have ended; a run ends with its model."""
        return state

    def _padded(self, rows: int) -> int:
        """Round a number of rows up to a multiple of the devices."""
        return rows + -rows % self.devices.device_count


def load(job: Job, devices: Devices) -> Program:
    """Place a job on devices."""
    mesh = devices.mesh
    whole = shardings(mesh, REPLICATED)

    def compile_step(step: Callable[..., Any], arguments: Any, results: Any, donated: Any = ()) -> Any:
        # With `check_vma`, JAX would sum the gradients of replicated parameters by itself, and
        # `steps.sum_over_devices` would double them.
        sharded = jax.shard_map(
            partial(step, job), mesh=mesh, in_specs=arguments, out_specs=results, check_vma=False
        )
        return jax.jit(sharded, donate_argnums=donated)

    evaluated = (REPLICATED, SHARDED, REPLICATED, REPLICATED, SHARDED)
    trained = (PLACES, REPLICATED, REPLICATED, SHARDED)
    return Program(
        job=job,
        devices=devices,
        data={split: put(dict(arrays), whole) for split, arrays in job.device_arrays.items()},
        hyper=put(dict(job.hyper), whole),
        train_step=compile_step(steps.train_step, trained, PLACES, donated=0),
        eval_step=compile_step(steps.eval_step, evaluated, (REPLICATED, SHARDED)),
        output_step=compile_step(steps.output_step, (REPLICATED, REPLICATED, REPLICATED, SHARDED), SHARDED),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0),
        is_finite=jax.jit(steps.is_finite),
    )
