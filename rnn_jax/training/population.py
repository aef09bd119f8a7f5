"""Many models at once: a population whose members differ in their seed and their numeric hyperparameters.

They are one program, compiled once, over one copy of the data. A member is a model as `program.py` trains it
alone; here every array of its state has members before its own axes. Members are spread over the devices, and
each lies whole on one, so that no device waits for another.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from rnn_jax.runtime.devices import DATA, MEMBERS, shardings
from rnn_jax.tasks.task import Arrays, Hyper
from rnn_jax.training import steps
from rnn_jax.training.build import Job
from rnn_jax.training.state import State, init

LayOut = Literal["map", "vmap"]
EACH: Any = PartitionSpec(MEMBERS)
WHOLE: Any = PartitionSpec()


class Members(NamedTuple):
    """In what the members differ: numeric hyperparameters [members], and seeds."""

    hyper: Mapping[str, np.ndarray]
    seeds: tuple[int, ...]


class Population(NamedTuple):
    """Members on their devices: compiled steps, and what they are called with."""

    job: Job
    members: Members
    """Filled up to a multiple of the devices with copies of the last one, which are never trained."""
    mesh: Mesh
    data: Mapping[str, Arrays]
    """The arrays of each split, whole on every device."""
    hyper: Hyper
    train_step: Callable[[State, Hyper, Arrays, jax.Array, jax.Array], State]
    eval_step: Callable[..., Any]
    take_metrics: Callable[[State], Any]

    def init(self) -> State:
        """The members' states before the first step, each as it would be drawn alone."""
        draw = jax.jit(lambda hyper, keys: jax.lax.map(lambda own: init(self.job, *own), (hyper, keys)))
        keys = jax.vmap(jax.random.key)(np.asarray(self.members.seeds, np.uint32))
        return jax.device_put(draw(self.members.hyper, keys), shardings(self.mesh, EACH))

    def indices(self, step: int) -> jax.Array:
        """The example numbers [members, rows] of training batch number `step`."""
        orders = {seed: self.job.task.select("train", seed, step) for seed in set(self.members.seeds)}
        return self._put(np.stack([orders[seed] for seed in self.members.seeds]))

    def active(self, count: int) -> jax.Array:
        """How many members each device trains [devices], where the first `count` of all are trained."""
        devices = self.mesh.shape[MEMBERS]
        each = len(self.members.seeds) // devices
        return self._put(np.clip(count - each * np.arange(devices), 0, each).astype(np.int32))

    def _put(self, array: np.ndarray) -> jax.Array:
        return jax.device_put(array, shardings(self.mesh, EACH))


def load(job: Job, members: Members, devices: Sequence[jax.Device], how: LayOut) -> Population:
    """Puts a population on devices.

    Args:
        job: what every member computes; its own hyperparameters and seed do not matter.
        members: in what they differ.
        devices: where.
        how: 'map' computes a device's members one after another, 'vmap' all of them in one.
    """
    mesh = Mesh(np.array(devices)[:, None], (MEMBERS, DATA))
    members = _fill_up(members, -len(members.seeds) % len(devices))
    whole, each = shardings(mesh, WHOLE), shardings(mesh, EACH)
    train, evaluate = partial(steps.train_step, job), partial(steps.eval_step, job)
    shard = partial(jax.shard_map, mesh=mesh, check_vma=False, out_specs=EACH)
    several = {"map": _one_after_another, "vmap": _together}[how]
    train_members = shard(partial(several, train), in_specs=(EACH, EACH, WHOLE, EACH, EACH))
    eval_members = shard(partial(_evaluate, evaluate), in_specs=(EACH, EACH, EACH, WHOLE, WHOLE))
    return Population(
        job=job,
        members=members,
        mesh=mesh,
        data={
            split: {name: jax.device_put(array, whole) for name, array in arrays.items()}
            for split, arrays in job.data.splits.items()
        },
        hyper=jax.device_put(dict(members.hyper), each),
        train_step=jax.jit(train_members, donate_argnums=0),
        eval_step=jax.jit(eval_members),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0),
    )


def _one_after_another(
    step: Callable[..., State],
    states: State,
    hyper: Hyper,
    data: Arrays,
    indices: jax.Array,
    active: jax.Array,
) -> State:
    """Trains the first `active[0]` members of a device, and does nothing for the others."""

    def one(member: jax.Array, states: State) -> State:
        def of_member(leaf: jax.Array) -> jax.Array:
            return jax.lax.dynamic_index_in_dim(leaf, member, keepdims=False)

        def put(all_of_them: jax.Array, own: jax.Array) -> jax.Array:
            return jax.lax.dynamic_update_index_in_dim(all_of_them, own, member, 0)

        own, own_hyper = jax.tree.map(of_member, (states._replace(key=None), hyper))
        stepped = step(own._replace(key=states.key[member]), own_hyper, data, of_member(indices))
        return jax.tree.map(put, states._replace(key=None), stepped._replace(key=None))._replace(
            key=states.key
        )

    return jax.lax.fori_loop(0, active[0], one, states)


def _together(
    step: Callable[..., State],
    states: State,
    hyper: Hyper,
    data: Arrays,
    indices: jax.Array,
    active: jax.Array,
) -> State:
    """Trains all members of a device at once, and keeps what the first `active[0]` of them became."""
    stepped = jax.vmap(step, in_axes=(0, 0, None, 0))(states, hyper, data, indices)
    kept = jnp.arange(len(indices)) < active[0]

    def choose(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(jnp.expand_dims(kept, range(1, new.ndim)), new, old)

    chosen = jax.tree.map(choose, stepped._replace(key=None), states._replace(key=None))
    return chosen._replace(key=states.key)


def _evaluate(
    step: Callable[..., Any], parameters: Any, carry: Any, hyper: Hyper, data: Arrays, indices: Any
) -> Any:
    return jax.lax.map(lambda own: step(*own, data, indices), (parameters, carry, hyper))


def _fill_up(members: Members, number: int) -> Members:
    hyper = {
        name: np.append(values, np.repeat(values[-1:], number)) for name, values in members.hyper.items()
    }
    return Members(hyper, members.seeds + members.seeds[-1:] * number)
