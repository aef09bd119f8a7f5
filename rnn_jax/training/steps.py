"""The training step and the evaluation step: pure functions.

Both compute on one shard of the batch: `program.load` compiles them by `shard_map`, and `sum_over_devices` is
the only sum over devices. Tests check them against one device with plain SGD: Adam hides a doubled gradient.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from rnn_jax.models.types import Keys
from rnn_jax.runtime.devices import DATA
from rnn_jax.tasks.task import Arrays, Hyper, Metrics
from rnn_jax.training.build import Job
from rnn_jax.training.state import State

NO_ROW = 2**32 - 1
"""Not the number of a row: the key of what all rows share is folded with it."""


def train_step(job: Job, state: State, hyper: Hyper, data: Arrays, indices: jax.Array) -> State:
    """Make one update.

    Where the loss or the gradient is not finite, the update is skipped: only `step`, `skipped` and
    `diverged_at` change. After more skipped updates than the plan allows, nothing else changes any more.

    `indices` [rows of this shard, ...] is what the task selected for this batch, -1 for padding.
    """
    augmenting, network_keys = draw_keys(state.key, state.step, indices.shape[0])
    batch = job.task.fetch(data, indices, augmenting)
    carry_before = pass_on(state.carry, batch.fresh)

    def loss_of(parameters: Any) -> tuple[jax.Array, tuple[jax.Array, Metrics, Any]]:
        outputs, carry = job.network.apply(
            parameters, batch.inputs, batch.lengths, carry_before, hyper, network_keys
        )
        total, count, metrics = job.task.loss(outputs, batch, hyper)
        return total, (count, metrics, carry)

    total, pull_back, (count, metrics, carry) = jax.vjp(loss_of, state.parameters, has_aux=True)
    total, count, metrics = sum_over_devices((total, count, metrics))
    # Divided by the count where it is one number, before it is spread over all parameters.
    gradients = sum_over_devices(pull_back(1 / count)[0])
    finite = jnp.isfinite(total) & jnp.isfinite(optax.tree.norm(gradients))
    going = state.diverged_at < 0
    skipped = state.skipped + (going & ~finite)

    parameters, optimizer = job.optimizer.update(
        gradients, state.optimizer, state.parameters, state.step, hyper
    )
    average = job.optimizer.average
    stepped = state._replace(
        parameters=parameters,
        optimizer=optimizer,
        carry=None if state.carry is None else carry,
        averaged=None if average is None else average(state.averaged, parameters, state.step),
        metrics=jax.tree.map(jnp.add, state.metrics, metrics),
    )
    return choose(going & finite, stepped, state)._replace(
        step=state.step + 1,
        diverged_at=jnp.where(going & (skipped > job.plan.skips), state.step, state.diverged_at),
        skipped=skipped,
    )


def eval_step(
    job: Job, parameters: Any, carry: Any, hyper: Hyper, data: Arrays, indices: jax.Array
) -> tuple[Metrics, Any]:
    """Return the metrics of one batch, without augmentation and dropout, and the network's carry.

    `carry` is that of the batch before; None: each batch resets it. The others are as in `train_step`.
    """
    batch = job.task.fetch(data, indices, None)
    before = pass_on(carry, batch.fresh)
    outputs, after = job.network.apply(parameters, batch.inputs, batch.lengths, before, hyper, None)
    _, _, metrics = job.task.loss(outputs, batch, hyper)
    metrics = {**metrics, **job.task.class_counts(outputs, batch)}
    return sum_over_devices(metrics), None if carry is None else after


def output_step(job: Job, parameters: Any, hyper: Hyper, data: Arrays, indices: jax.Array) -> Any:
    """Return the network's outputs for one batch, [batch, ...]."""
    batch = job.task.fetch(data, indices, None)
    return job.network.apply(parameters, batch.inputs, batch.lengths, None, hyper, None)[0]


class Taken(NamedTuple):
    """The part of a state that is logged."""

    metrics: Metrics
    diverged_at: jax.Array
    skipped: jax.Array


def take_metrics(state: State) -> tuple[State, Taken]:
    """Take the training metrics out of a state: return the state with zeros, and what is logged."""
    emptied = state._replace(metrics=jax.tree.map(jnp.zeros_like, state.metrics))
    return emptied, Taken(state.metrics, state.diverged_at, state.skipped)


def is_finite(state: State) -> jax.Array:
    """Return whether all that training continues from is finite, bool []: an update may overflow."""
    leaves = jax.tree.leaves((state.parameters, state.optimizer, state.averaged, state.carry))
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in floats]).all()


def pass_on(carry: Any, fresh: jax.Array | None) -> Any:
    """Return the carry [batch, ...] that a batch begins with: that of the batch before, zeros in fresh rows.

    No gradient reaches the batches before: back-propagation through time is truncated at `task.bptt_steps`.
    `fresh` [batch], bool; None: no row is.
    """
    carry = jax.lax.stop_gradient(carry)
    if carry is None or fresh is None:
        return carry
    return jax.tree.map(lambda part: jnp.where(jnp.expand_dims(fresh, range(1, part.ndim)), 0, part), carry)


def draw_keys(key: jax.Array, step: jax.Array, rows: int) -> tuple[jax.Array, Keys]:
    """Return the keys of a step: [rows] for the augmentation of this shard's rows, and those of the network.

    They depend on the global row number, so that a batch draws the same values on any number of devices.
    """
    numbers = jax.lax.axis_index(DATA) * rows + jnp.arange(rows)
    augmenting, network = jax.random.split(jax.random.fold_in(key, step))
    fold_rows = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
    return fold_rows(augmenting, numbers), Keys(
        fold_rows(network, numbers), jax.random.fold_in(network, NO_ROW)
    )


def sum_over_devices(tree: Any) -> Any:
    """Sum float arrays of one dtype over the shards of a batch: the only sum over devices.

    XLA keeps an all-reduce over a single device, and schedules worse around it: a third slower on a CPU. It
    reduces several arrays one after another, and at each one the devices wait: so they are joined into one.
    """
    if jax.lax.axis_size(DATA) == 1:
        return tree
    together, rebuild = ravel_pytree(tree)
    return rebuild(jax.lax.psum(together, DATA))


def choose(condition: jax.Array, new: Any, old: Any) -> Any:
    """Return `new` where a condition, [] or [members], holds, and `old` elsewhere; no key is ever changed."""

    def one(new: jax.Array, old: jax.Array) -> jax.Array:
        axes = range(1, new.ndim) if condition.ndim else ()
        return old if is_key(new) else jnp.where(jnp.expand_dims(condition, axes), new, old)

    return jax.tree.map(one, new, old)


def is_key(leaf: jax.Array) -> bool:
    """Whether an array is a random key, or several."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
