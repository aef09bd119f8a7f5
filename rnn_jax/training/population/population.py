"""Many models at once: a population whose members differ in their seed and their numeric hyperparameters.

They are one program, over one copy of the data on each device. A member is a model as `program.py` trains it
alone; here every array of its state has the members before its own axes. Members are spread over the devices,
and each lies whole on one, so that no device waits for another. On each device the first few may be active;
the others, which are given up or fill the devices up, stay as they are. One after another they cost nothing;
where all are computed at once, `room` says into how few places those that are left should be packed.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from rnn_jax.runtime.devices import DATA, MEMBERS, Devices
from rnn_jax.runtime.distributed.placement import put, shardings
from rnn_jax.tasks.task import Arrays, Hyper
from rnn_jax.training import steps
from rnn_jax.training.build import Job
from rnn_jax.training.state import State, init

LayOut = Literal["map", "vmap"]
EACH: Any = PartitionSpec(MEMBERS)
WHOLE: Any = PartitionSpec()


def lay_out(platform: str) -> LayOut:
    """How a device computes its members.

    One after another on a CPU, whose products over several models at once are slow: experiments/speed has the
    figures. All at once on an accelerator, which one small model does not fill: not measured yet.
    """
    return "map" if platform == "cpu" else "vmap"


class Members(NamedTuple):
    """In what the members differ."""

    hyper: Mapping[str, np.ndarray]
    """Numeric hyperparameters by name, each [members]."""
    seeds: np.ndarray
    """[members]."""

    def take(self, places: np.ndarray) -> "Members":
        """The members at these places."""
        return Members({name: values[places] for name, values in self.hyper.items()}, self.seeds[places])


class Population(NamedTuple):
    """Compiled steps over members, and the data that they share."""

    job: Job
    mesh: Mesh
    how: LayOut
    data: Mapping[str, Arrays]
    """The arrays of each split, whole on every device."""
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
        """How many."""
        return self.mesh.shape[MEMBERS]

    def init(self, members: Members) -> State:
        """The states before the first step, each as its member alone would begin."""
        keys = jax.vmap(jax.random.key)(members.seeds.astype(np.uint32))
        drawn = self.draw(self.put(dict(members.hyper)), self.put(keys))
        return jax.block_until_ready(drawn)  # which raises where memory was not enough

    def initial_carry(self, split: str, places: int) -> Any:
        """What an evaluation begins with, [places, rows, ...]; None where each batch starts anew."""
        rows = self.job.task.carry_rows
        if rows is None:
            return None
        one = self.job.network.initial_carry(rows[split])
        return self.put(jax.tree.map(lambda part: jnp.broadcast_to(part, (places, *part.shape)), one))

    def indices(self, members: Members, step: int) -> jax.Array:
        """The example numbers [members, rows] of training batch number `step`."""
        select = self.job.task.select
        rows = {seed: select("train", int(seed), step) for seed in np.unique(members.seeds)}
        return self.put(np.stack([rows[seed] for seed in members.seeds]))

    def room(self, running: int, now: int | None = None) -> int:
        """How many places so many running members need, where they have `now`; None: at the beginning.

        One after another, empty places cost nothing and the compiled steps stay as they are. All at once they
        cost as much as others, and half the room is worth compiling for.
        """
        least = running + -running % self.devices
        if now is None or now % self.devices:
            return least
        while self.how == "vmap" and now // 2 >= least and now // 2 % self.devices == 0:
            now //= 2
        return now

    def shapes(self, states: State, room: int) -> State:
        """What to read a checkpoint back by, in which members had so many places."""
        where = shardings(self.mesh, WHOLE if room % self.devices else EACH)
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((room, *leaf.shape[1:]), leaf.dtype, sharding=where), states
        )

    @property
    def whole(self) -> jax.sharding.Sharding:
        """Where arrays lie that all members share."""
        return shardings(self.mesh, WHOLE)

    def put(self, tree: Any) -> Any:
        """Puts arrays [members, ...] where the steps want them."""
        return jax.device_put(tree, shardings(self.mesh, EACH))


def load(job: Job, devices: Devices, how: LayOut) -> Population:
    """Puts a job on devices, for members: its own hyperparameters and seed do not matter."""
    mesh = Mesh(devices.mesh.devices.reshape(-1, 1), (MEMBERS, DATA))
    whole, each = shardings(mesh, WHOLE), shardings(mesh, EACH)
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

    return Population(
        job=job,
        mesh=mesh,
        how=how,
        data={split: put(dict(arrays), whole) for split, arrays in job.device_arrays.items()},
        draw=jax.jit(
            lambda hyper, keys: jax.lax.map(lambda own: init(job, *own), (hyper, keys)), out_shardings=each
        ),
        train_step=jax.jit(shard(train, in_specs=(EACH, EACH, WHOLE, EACH, EACH)), donate_argnums=0),
        eval_step=jax.jit(shard(evaluate, in_specs=(EACH, EACH, EACH, WHOLE, WHOLE, EACH))),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0, out_shardings=each),
        is_finite=jax.jit(jax.vmap(steps.is_finite), out_shardings=each),
        take_better=jax.jit(
            lambda best, states, better: _where(better, states, best), donate_argnums=0, out_shardings=each
        ),
        pack=jax.jit(lambda tree, places: jax.tree.map(lambda leaf: leaf[places], tree), out_shardings=each),
    )


def bytes_of_a_member(job: Job) -> int:
    """What a member takes: its state, its best one, and room to move them."""
    shapes = jax.eval_shape(partial(init, job), dict(job.hyper), jax.random.key(0))._replace(key=None)
    return 3 * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def order(places: Sequence[int], room: int, devices: int) -> tuple[np.ndarray, np.ndarray]:
    """Where members go so that every device has as many active ones as the others, or one less.

    Args:
        places: where the active members are now.
        room: how many members the devices hold together, a multiple of them.
        devices: how many devices.

    Returns:
        The places [room] that each new place is filled from: active ones first on each device, then any; and
        how many are active on each device [devices].
    """
    each = room // devices
    parts = [list(places[device::devices]) for device in range(devices)]
    filling = places[0] if len(places) else 0
    filled = [part + [filling] * (each - len(part)) for part in parts]
    return np.array(filled).reshape(-1), np.array([len(part) for part in parts], np.int32)


def _one_after_another(
    step: Callable[..., Any], results: Any, own: tuple[Any, ...], active: jax.Array
) -> Any:
    """`results` [members, ...] with `step(result, *own)` in place of those of the first `active` members."""

    def one(member: jax.Array, results: Any) -> Any:
        def take(leaf: jax.Array) -> jax.Array:
            return jax.lax.dynamic_index_in_dim(leaf, member, keepdims=False)

        def put(everyones: jax.Array, new: jax.Array) -> jax.Array:
            if _is_key(new):
                return everyones
            return jax.lax.dynamic_update_index_in_dim(everyones, new, member, 0)

        # The branch, always the same one, keeps what a step reads apart from what it writes: XLA would fuse
        # the two, and then copy everyone's arrays for each member.
        mine = jax.tree.map(take, (results, *own))
        new = jax.lax.cond(member < active, step, lambda result, *_: result, *mine)
        return jax.tree.map(put, results, new)

    return jax.lax.fori_loop(0, active, one, results)


def _all_at_once(step: Callable[..., Any], results: Any, own: tuple[Any, ...], active: jax.Array) -> Any:
    """The same, computed for all members at once."""
    new = jax.vmap(step)(results, *own)
    return _where(jnp.arange(len(jax.tree.leaves(own)[0])) < active, new, results)


def _where(chosen: jax.Array, new: Any, old: Any) -> Any:
    """`new` for the chosen [members], `old` for the others."""

    def choose(new: jax.Array, old: jax.Array) -> jax.Array:
        if _is_key(new):
            return old
        return jnp.where(jnp.expand_dims(chosen, range(1, new.ndim)), new, old)

    return jax.tree.map(choose, new, old)


def _is_key(leaf: jax.Array) -> bool:
    """Whether it is a member's key, which no step changes."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
