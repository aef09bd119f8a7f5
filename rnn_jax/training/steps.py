"""The training step and the evaluation step: pure functions, and how they are compiled.

Both see one shard of the batch: `compile_step` has the only `shard_map`, `sum_over_devices` the only sum over
devices. They are checked against one device in tests with plain SGD, since Adam hides a doubled gradient.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh

from rnn_jax.models.types import Keys
from rnn_jax.runtime.devices import DATA
from rnn_jax.runtime.distributed.placement import REPLICATED, SHARDED
from rnn_jax.tasks.task import Arrays, Hyper, Metrics
from rnn_jax.training.build import Job
from rnn_jax.training.state import PLACES, State

NO_ROW = 2**32 - 1
"""Not the number of a row: the key of what all rows share is folded with it."""


def train_step(job: Job, state: State, hyper: Hyper, data: Arrays, indices: jax.Array) -> State:
    """Make one update.

    Where the loss or the gradient is not finite, the update is skipped: only `step`, `skipped` and
    `diverged_at` change. After more skipped updates than the plan allows, nothing else changes any more.

    Args:
        job: the task, the network and the optimizer.
        state: the state, donated.
        hyper: numeric hyperparameters.
        data: the training split's arrays.
        indices: [rows of this shard, ...] what the task selected for this batch, -1 for padding.
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
    kept = jax.tree.map(functools.partial(_choose, going & finite), stepped, state)
    return kept._replace(
        step=state.step + 1,
        diverged_at=jnp.where(going & (skipped > job.plan.skips), state.step, state.diverged_at),
        skipped=skipped,
    )


def eval_step(
    job: Job, parameters: Any, carry: Any, hyper: Hyper, data: Arrays, indices: jax.Array
) -> tuple[Metrics, Any]:
    """Return the metrics of one batch, without augmentation and dropout, and the network's carry.

    Args:
        job: the task and the network.
        parameters: the network's.
        carry: its carry from the batch before; None: each batch resets it.
        hyper: numeric hyperparameters.
        data: the split's arrays.
        indices: [rows of this shard, ...] what the task selected for this batch, -1 for padding.
    """
    batch = job.task.fetch(data, indices, None)
    carry_before = pass_on(carry, batch.fresh)
    outputs, carry_after = job.network.apply(
        parameters, batch.inputs, batch.lengths, carry_before, hyper, None
    )
    _, _, metrics = job.task.loss(outputs, batch, hyper)
    return sum_over_devices(metrics), None if carry is None else carry_after


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
    """Return whether all that training continues from is finite, bool [].

    An update may overflow although its gradient is finite.
    """
    leaves = jax.tree.leaves((state.parameters, state.optimizer, state.averaged, state.carry))
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in floats]).all()


def pass_on(carry: Any, fresh: jax.Array | None) -> Any:
    """Return the carry that a batch begins with: that of the batch before it, zeros in fresh rows.

    Back-propagation through time is truncated here and nowhere else: no gradient reaches the batches before.

    Args:
        carry: arrays [batch, ...]; None: there is none, and stays none.
        fresh: [batch], bool, the rows whose carry is reset; None: none of them.
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


class Specs(NamedTuple):
    """The partition specs of a step's arguments and results, and which arguments are donated."""

    arguments: tuple[Any, ...]
    results: Any
    donated: tuple[int, ...] = ()


TRAIN = Specs((PLACES, REPLICATED, REPLICATED, SHARDED), PLACES, donated=(0,))
EVALUATE = Specs((REPLICATED, SHARDED, REPLICATED, REPLICATED, SHARDED), (REPLICATED, SHARDED))
OUTPUT = Specs((REPLICATED, REPLICATED, REPLICATED, SHARDED), SHARDED)


def compile_step(step: Callable[..., Any], mesh: Mesh, specs: Specs) -> Callable[..., Any]:
    """Compile a step over a mesh.

    `check_vma` is off because with it JAX would sum the gradients of replicated parameters by itself, and
    `sum_over_devices` would double them.
    """
    sharded = jax.shard_map(
        step, mesh=mesh, in_specs=specs.arguments, out_specs=specs.results, check_vma=False
    )
    return jax.jit(sharded, donate_argnums=specs.donated)


def pad_rows(indices: np.ndarray, devices: int) -> np.ndarray:
    """Pad indices [batch, ...] with -1, which has weight 0, to a multiple of the devices."""
    missing = -len(indices) % devices
    return np.pad(indices, [(0, missing)] + [(0, 0)] * (indices.ndim - 1), constant_values=-1)


def _choose(condition: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    if jnp.issubdtype(new.dtype, jax.dtypes.prng_key):
        return old  # the key is never changed by a step
    return jnp.where(condition, new, old)
