"""Compiled steps over many models that differ in their seed and their numeric hyperparameters.

They are one program, over one copy of the data on each device. A member is a model as `program.py` trains it
alone; here every array of its state has the members as its first axis. Members are spread over the devices,
each whole on one, so that no device waits for another. On each device the first few places may be active; the
others, whose members have ended or which only pad the devices, stay as they are. Computed one after another
they cost nothing; computed at once, `room` decides into how few places those that are left are packed.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from rnn_jax.runtime.devices import DATA, MEMBERS, Devices
from rnn_jax.runtime.distributed.placement import REPLICATED, put, shardings
from rnn_jax.tasks.task import Arrays, Hyper
from rnn_jax.training import steps
from rnn_jax.training.build import Job
from rnn_jax.training.state import State, init

LayOut = Literal["map", "vmap"]
EACH: Any = PartitionSpec(MEMBERS)


def lay_out(platform: str) -> LayOut:
    """Return how a device computes its members.

    One after another on a CPU, which is slow at batched products: see experiments/speed. All at once on an
    accelerator, which one small model does not fill: not measured yet.
    """
    return "map" if platform == "cpu" else "vmap"


class Members(NamedTuple):
    """The values in which the members differ."""

    hyper: Mapping[str, np.ndarray]
    """Numeric hyperparameters by name, each [members]."""
    seeds: np.ndarray
    """[members]."""

    def take(self, places: np.ndarray) -> "Members":
        """Return the members at these places."""
        return Members({name: values[places] for name, values in self.hyper.items()}, self.seeds[places])


class MemberSteps(NamedTuple):
    """Compiled steps over members, and the data that they share."""

    job: Job
    mesh: Mesh
    how: LayOut
    data: Mapping[str, Arrays]
    """The arrays of each split, replicated on every device."""
    draw: Callable[[Hyper, jax.Array], State]
    """(hyper, keys [members]) -> the states before the first step."""
    train_step: Callable[[State, Hyper, Arrays, jax.Array, jax.Array], State]
    """(states, hyper, data, indices [members, rows], active [devices]) -> states."""
    eval_step: Callable[..., Any]
    """(parameters, carry, hyper, data, indices [rows], active [devices]) -> (metrics, carry)."""
    take_metrics: Callable[[State], Any]
    is_finite: Callable[[State], jax.Array]
    """(states) -> [members], see `steps.is_finite`."""
    take_better: Callable[[State, State, jax.Array], State]
    """(best, states, is_better [members]) -> best."""
    pack: Callable[[Any, jax.Array], Any]
    """(tree of [members, ...], places) -> the same with the members of these places."""

    @property
    def devices(self) -> int:
        """Number of devices."""
        return self.mesh.shape[MEMBERS]

    def init(self, members: Members) -> State:
        """Return the states before the first step, each as its member alone would begin."""
        keys = jax.vmap(jax.random.key)(members.seeds.astype(np.uint32))
        drawn = self.draw(self.put(dict(members.hyper)), self.put(keys))
        return jax.block_until_ready(drawn)  # raises where it runs out of memory

    def initial_carry(self, split: str, places: int) -> Any:
        """Return the carry [places, rows, ...] that an evaluation begins with; None: each batch resets it."""
        rows = self.job.task.carry_rows
        if rows is None:
            return None
        one = self.job.network.initial_carry(rows[split])
        return self.put(jax.tree.map(lambda part: jnp.broadcast_to(part, (places, *part.shape)), one))

    def indices(self, members: Members, step: int) -> jax.Array:
        """Return the example numbers [members, rows] of training batch number `step`."""
        select = self.job.task.select
        rows = {seed: select("train", int(seed), step) for seed in np.unique(members.seeds)}
        return self.put(np.stack([rows[seed] for seed in members.seeds]))

    def room(self, running: int, now: int | None = None) -> int:
        """Return how many places `running` members need; `now` is how many they have, None: none yet.

        One after another, empty places cost nothing and the compiled steps stay as they are. All at once they
        cost as much as others, and half the room is worth compiling for.
        """
        least = running + -running % self.devices
        if now is None or now % self.devices:
            return least
        while self.how == "vmap" and now // 2 >= least and now // 2 % self.devices == 0:
            now //= 2
        return now

    def shapes(self, room: int) -> State:
        """Return the shapes and shardings of a checkpoint in which members had `room` places."""
        where = shardings(self.mesh, REPLICATED if room % self.devices else EACH)
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((room, *leaf.shape), leaf.dtype, sharding=where),
            shapes_of_member(self.job),
        )

    @property
    def whole(self) -> jax.sharding.Sharding:
        """The sharding of arrays that all members share."""
        return shardings(self.mesh, REPLICATED)

    def put(self, tree: Any) -> Any:
        """Place arrays [members, ...] where the steps need them."""
        return jax.device_put(tree, shardings(self.mesh, EACH))


def load(job: Job, devices: Devices, how: LayOut) -> MemberSteps:
    """Place a job on devices, for members: its own hyperparameters and seed are not used."""
    mesh = Mesh(devices.mesh.devices.reshape(-1, 1), (MEMBERS, DATA))
    whole, each = shardings(mesh, REPLICATED), shardings(mesh, EACH)
    over = {"map": _one_after_another, "vmap": _all_at_once}[how]
    shard = partial(jax.shard_map, mesh=mesh, check_vma=False, out_specs=EACH)

    def train(states: State, hyper: Hyper, data: Arrays, indices: jax.Array, active: jax.Array) -> State:
        def step(state: State, hyper: Hyper, indices: jax.Array) -> State:
            return steps.train_step(job, state, hyper, data, indices)

        return over(step, states, (hyper, indices), active[0])

    def evaluate(parameters: Any, carry: Any, hyper: Hyper, data: Arrays, indices: Any, active: Any) -> Any:
        def step(parameters: Any, carry: Any, hyper: Hyper) -> Any:
            return steps.eval_step(job, parameters, carry, hyper, data, indices)

        own = (parameters, carry, hyper)
        shapes = jax.eval_shape(jax.vmap(step), *own)
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return over(lambda _, *own: step(*own), nothing, own, active[0])

    return MemberSteps(
        job=job,
        mesh=mesh,
        how=how,
        data={split: put(dict(arrays), whole) for split, arrays in job.device_arrays.items()},
        draw=jax.jit(
            lambda hyper, keys: jax.lax.map(lambda own: init(job, *own), (hyper, keys)), out_shardings=each
        ),
        train_step=jax.jit(shard(train, in_specs=(EACH, EACH, REPLICATED, EACH, EACH)), donate_argnums=0),
        eval_step=jax.jit(shard(evaluate, in_specs=(EACH, EACH, EACH, REPLICATED, REPLICATED, EACH))),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0, out_shardings=each),
        is_finite=jax.jit(jax.vmap(steps.is_finite), out_shardings=each),
        take_better=jax.jit(
            lambda best, states, better: _where(better, states, best), donate_argnums=0, out_shardings=each
        ),
        pack=jax.jit(lambda tree, places: jax.tree.map(lambda leaf: leaf[places], tree), out_shardings=each),
    )


def shapes_of_member(job: Job) -> State:
    """Return the shapes and dtypes of one member's state."""
    return jax.eval_shape(partial(init, job), dict(job.hyper), jax.random.key(0))


def bytes_of_member(job: Job) -> int:
    """Return the memory that a member takes: its state, its best one, and room to move them."""
    leaves = jax.tree.leaves(shapes_of_member(job)._replace(key=None))
    return 3 * sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def order(places: Sequence[int], room: int, devices: int) -> tuple[np.ndarray, np.ndarray]:
    """Spread members evenly over devices: no two devices differ by more than one active member.

    Args:
        places: where the active members are now.
        room: places on all devices together, a multiple of them.
        devices: number of devices.

    Returns:
        For each new place [room] the old one that it is taken from, active ones first on each device; and the
        number of active places of each device [devices].
    """
    each = room // devices
    parts = [list(places[device::devices]) for device in range(devices)]
    padding = places[0] if len(places) else 0
    padded = [part + [padding] * (each - len(part)) for part in parts]
    return np.array(padded).reshape(-1), np.array([len(part) for part in parts], np.int32)


def _one_after_another(
    step: Callable[..., Any], results: Any, own: tuple[Any, ...], active: jax.Array
) -> Any:
    """Replace the results [members, ...] of the first `active` members by `step(result, *own)`."""

    def one(member: jax.Array, results: Any) -> Any:
        def take(leaf: jax.Array) -> jax.Array:
            return jax.lax.dynamic_index_in_dim(leaf, member, keepdims=False)

        def put(whole: jax.Array, new: jax.Array) -> jax.Array:
            if _is_key(new):
                return whole
            return jax.lax.dynamic_update_index_in_dim(whole, new, member, 0)

        # The branch, always the same one, separates what a step reads from what it writes: otherwise XLA
        # fuses the two, and copies the arrays of all members for each of them.
        own_parts = jax.tree.map(take, (results, *own))
        new = jax.lax.cond(member < active, step, lambda result, *_: result, *own_parts)
        return jax.tree.map(put, results, new)

    return jax.lax.fori_loop(0, active, one, results)


def _all_at_once(step: Callable[..., Any], results: Any, own: tuple[Any, ...], active: jax.Array) -> Any:
    """Do the same, for all members at once."""
    new = jax.vmap(step)(results, *own)
    return _where(jnp.arange(len(jax.tree.leaves(own)[0])) < active, new, results)


def _where(chosen: jax.Array, new: Any, old: Any) -> Any:
    """Return `new` for the chosen [members], `old` for the others."""

    def choose(new: jax.Array, old: jax.Array) -> jax.Array:
        if _is_key(new):
            return old
        return jnp.where(jnp.expand_dims(chosen, range(1, new.ndim)), new, old)

    return jax.tree.map(choose, new, old)


def _is_key(leaf: jax.Array) -> bool:
    """Whether an array is a member's random key, which no step changes."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
