"""The state of a run: one pytree."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from rnn_jax.checkpoints.store import Checkpoint
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.distributed.placement import REPLICATED, SHARDED
from rnn_jax.runtime.errors import CheckpointError
from rnn_jax.tasks.task import Hyper, Metrics
from rnn_jax.training.build import Job


class State(NamedTuple):
    """Everything that a step reads and writes."""

    step: jax.Array  # updates made, int32
    parameters: Any
    optimizer: Any  # the optimizer's state
    carry: Any
    """The network's carry from batch to batch, rows first; None where each batch resets it."""
    key: jax.Array
    """The run's random key: never used itself, only folded with the step and the row."""
    averaged: Any  # the average of the parameters; None where none is kept
    metrics: Metrics
    """Training metrics since they were last taken out, as (sum, count)."""
    diverged_at: jax.Array
    """The update, counted from 0, at which the run diverged, int32; -1: it has not. It is the first one whose
    loss or gradient was not finite, after those that may be skipped."""
    skipped: jax.Array  # updates so far whose loss or gradient was not finite, int32

    @property
    def evaluated(self) -> Any:
        """The parameters that are evaluated: their average, where one is kept."""
        return self.parameters if self.averaged is None else self.averaged


PLACES = State(*[REPLICATED] * len(State._fields))._replace(carry=SHARDED)
"""The sharding of each part: the carry by its rows, everything else replicated."""


def init(job: Job, hyper: Hyper, key: jax.Array) -> State:
    """Initialize the state from a random key."""
    run_key, parameter_key = jax.random.split(key)
    parameters, rows = job.network.init(parameter_key, hyper), job.task.carry_rows
    zero = jnp.zeros((), jnp.float32)
    return State(
        step=jnp.zeros((), jnp.int32),
        parameters=parameters,
        optimizer=job.optimizer.init(parameters, hyper),
        carry=None if rows is None else job.network.initial_carry(rows["train"]),
        key=run_key,
        # A copy: a donated buffer cannot stand in two places of the state.
        averaged=None if job.optimizer.average is None else jax.tree.map(jnp.copy, parameters),
        metrics={name: (zero, zero) for name in job.task.metrics},
        diverged_at=jnp.full((), -1, jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
    )


def shapes(job: Job) -> State:
    """Return the shapes and dtypes of a state."""
    return jax.eval_shape(partial(init, job), dict(job.hyper), jax.random.key(0))


def with_rows(state: State, rows: int) -> State:
    """Return the state with a carry of `rows` rows: truncated, or padded with rows of zeros."""
    if all(len(part) == rows for part in jax.tree.leaves(state.carry)):
        return state

    def resize(part: jax.Array) -> jax.Array:
        missing = max(0, rows - len(part))
        return jnp.pad(part[:rows], [(0, missing)] + [(0, 0)] * (part.ndim - 1))

    return state._replace(carry=jax.tree.map(resize, state.carry))


def place(state: State, mesh: Mesh) -> State:
    """Place a state where the compiled step needs it: otherwise the step would compile twice."""
    return placement.put(state, placement.shardings(mesh, PLACES))


def to_tree(state: State) -> dict[str, Any]:
    """Return the parts of a state by their names in a checkpoint; the parameters' begin with `params`."""
    parts = state._asdict()
    return {**parts.pop("parameters"), **parts}


def from_tree(tree: Mapping[str, Any]) -> State:
    """Return the state of which `to_tree` made a tree."""
    return State(parameters={"params": tree["params"]}, **{k: v for k, v in tree.items() if k != "params"})


def evaluated_parameters(found: Checkpoint) -> dict[str, Any]:
    """Read the parameters that are evaluated, averaged ones if there are, onto the first device."""
    parameters = found.read("averaged/").get("averaged") or found.read("params/")
    if not parameters:
        raise CheckpointError(f"{found.path}: has no parameters")
    return jax.device_put(parameters, jax.devices()[0])
