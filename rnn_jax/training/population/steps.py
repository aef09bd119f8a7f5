"""Compiled steps over many models that differ in their seed and their numeric hyperparameters.

A member is a model as `program.py` trains it alone; every array of its state has the members as first axis.
Members are spread over the devices, each whole on one, so that no device waits for another. On each device
the first few places may be active; the others, of members that have ended or for padding, stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from rnn_jax.runtime.devices import MEMBERS
from rnn_jax.runtime.distributed.placement import REPLICATED, shardings
from rnn_jax.tasks.task import Arrays, Hyper, Splits
from rnn_jax.training import steps
from rnn_jax.training.build import Job
from rnn_jax.training.state import State, init, shapes

LayOut = Literal["map", "vmap"]
EACH: Any = PartitionSpec(MEMBERS)


def lay_out(platform: str) -> LayOut:
    """Return how a device computes its members: all at once (not measured yet), on a CPU one after another.

    A CPU is slow at batched products, see experiments/speed; one small model does not fill an accelerator.
    """
    return "map" if platform == "cpu" else "vmap"


class Members(NamedTuple):
    """The values in which the members differ."""

    hyper: Mapping[str, np.ndarray]  # numeric hyperparameters by name, each [members]
    seeds: np.ndarray  # [members]
    select: Callable[[str, int, int], np.ndarray] | None = None
    """(split, member, step) -> indices of a batch of the member's own examples, as `Task.select`; None: all
    members have the same examples, in the order of their seeds."""
    arrays: Splits | None = None
    """The arrays that `select` refers to; None: those of the job."""

    def take(self, places: np.ndarray) -> "Members":
        """Return the members at these places."""
        return Members({name: values[places] for name, values in self.hyper.items()}, self.seeds[places])


class MemberSteps(NamedTuple):
    """Compiled steps over members."""

    init: Callable[[Hyper, jax.Array], State]
    """(hyper, keys [members]) -> the states before the first step, each as its member alone would begin."""
    train_step: Callable[[State, Hyper, Arrays, jax.Array, jax.Array], State]
    """(states, hyper, data, indices [members, rows], active [devices]) -> states."""
    eval_step: Callable[..., Any]
    """(parameters, carry, hyper, data, indices [rows], active [devices]) -> (metrics, carry)."""
    take_metrics: Callable[[State], Any]
    is_finite: Callable[[State], jax.Array]  # (states) -> [members], see `steps.is_finite`
    take_better: Callable[[State, State, jax.Array], State]
    """(best, states, is_better [members]) -> best."""
    pack: Callable[[Any, jax.Array], Any]
    """(tree of [members, ...], places) -> the same with the members of these places."""


def compile_steps(job: Job, mesh: Mesh, how: LayOut, *, own_examples: bool = False) -> MemberSteps:
    """Compile the steps of a job for members: its own hyperparameters and seed are not used.

    With `own_examples`, `eval_step` takes indices [members, rows, ...].
    """
    each = shardings(mesh, EACH)
    over = {"map": _one_after_another, "vmap": _all_at_once}[how]
    selected = EACH if own_examples else REPLICATED
    shard = partial(jax.shard_map, mesh=mesh, check_vma=False, out_specs=EACH)

    def train(states: State, hyper: Hyper, data: Arrays, indices: jax.Array, active: jax.Array) -> State:
        def step(state: State, hyper: Hyper, indices: jax.Array) -> State:
            return steps.train_step(job, state, hyper, data, indices)

        return over(step, states, (hyper, indices), active[0])

    def evaluate(parameters: Any, carry: Any, hyper: Hyper, data: Arrays, indices: Any, active: Any) -> Any:
        def step(parameters: Any, carry: Any, hyper: Hyper, *rows: jax.Array) -> Any:
            return steps.eval_step(job, parameters, carry, hyper, data, *(rows or (indices,)))

        own = (parameters, carry, hyper, *((indices,) if own_examples else ()))
        results = jax.eval_shape(jax.vmap(step), *own)
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), results)
        return over(lambda _, *own: step(*own), nothing, own, active[0])

    return MemberSteps(
        init=jax.jit(
            lambda hyper, keys: jax.lax.map(lambda own: init(job, *own), (hyper, keys)), out_shardings=each
        ),
        train_step=jax.jit(shard(train, in_specs=(EACH, EACH, REPLICATED, EACH, EACH)), donate_argnums=0),
        eval_step=jax.jit(shard(evaluate, in_specs=(EACH, EACH, EACH, REPLICATED, selected, EACH))),
        take_metrics=jax.jit(steps.take_metrics, donate_argnums=0, out_shardings=each),
        is_finite=jax.jit(jax.vmap(steps.is_finite), out_shardings=each),
        take_better=jax.jit(
            lambda best, states, better: steps.choose(better, states, best),
            donate_argnums=0,
            out_shardings=each,
        ),
        pack=jax.jit(lambda tree, places: jax.tree.map(lambda leaf: leaf[places], tree), out_shardings=each),
    )


def bytes_of_member(job: Job) -> int:
    """Return the memory that a member takes: its state, its best one, and room to move them."""
    leaves = jax.tree.leaves(shapes(job)._replace(key=None))
    return 3 * sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def order(places: Sequence[int], room: int, devices: int) -> tuple[np.ndarray, np.ndarray]:
    """Spread the members at `places` evenly over devices, which have `room` new places together.

    Return for each new place [room] the old one that it is taken from, active ones first on each device; and
    the number of active places of each device [devices], of which no two differ by more than one.
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
            if steps.is_key(new):
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
    return steps.choose(jnp.arange(len(jax.tree.leaves(own)[0])) < active, new, results)
