"""A population in training: which member is where, the best state of each, and its packing on the devices."""

import math
import operator
import shutil
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.format import replace_keys
from rnn_jax.checkpoints.store import Checkpoint
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.runtime.devices import DATA, MEMBERS, Devices
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.distributed.placement import REPLICATED, put, shardings
from rnn_jax.runtime.errors import CheckpointError, storage_error
from rnn_jax.tasks.task import Arrays
from rnn_jax.training.build import Job
from rnn_jax.training.population import steps
from rnn_jax.training.population.steps import EACH, LayOut, Members, MemberSteps, order
from rnn_jax.training.program import Between, ByMember, Health, Program, Result
from rnn_jax.training.progress import RUNNING, MemberStatus, Progress, progress_of
from rnn_jax.training.state import State, from_tree, shapes, to_tree
from rnn_jax.training.steps import Taken


class PopulationState(NamedTuple):
    """What training changes, and where the running members are."""

    states: State  # every array [places, ...]
    best: State  # the states at the best evaluation so far of each place's member
    numbers: np.ndarray
    """[places], the number of the member at each place; at places that are not active, of any member."""
    active: np.ndarray
    """[devices], int32: how many of a device's places, from its first on, hold a running member."""

    @property
    def step(self) -> int:
        """Updates made by the members that are running; the others are behind."""
        return int(placement.fetch(self.states.step).max())


class Population(NamedTuple):
    """Many models in one program, over one copy of the data on each device: see `program.Program`."""

    job: Job
    devices: Devices
    members: Members
    mesh: Mesh
    how: LayOut
    data: Mapping[str, Arrays]  # the arrays of each split, replicated on every device
    compiled: MemberSteps

    def init(self) -> PopulationState:
        count = len(self.members.seeds)
        numbers, active = order(range(count), self._room(count), self.devices.device_count)
        members = self.members.take(numbers)
        keys = jax.vmap(jax.random.key)(members.seeds.astype(np.uint32))
        states = self.compiled.init(self._put(dict(members.hyper)), self._put(keys))
        jax.block_until_ready(states)  # raises where it runs out of memory
        return PopulationState(states, jax.tree.map(lambda leaf: leaf.copy(), states), numbers, active)

    def train_step(self, state: Any, hyper: Any, data: Arrays, indices: jax.Array) -> PopulationState:
        hyper, active = hyper
        return state._replace(states=self.compiled.train_step(state.states, hyper, data, indices, active))

    def restore(self, found: Checkpoint) -> tuple[PopulationState, Progress]:
        progress = progress_of(found)
        if progress.places is None or set(progress.places) != {"numbers", "active"}:
            raise CheckpointError(f"{found.path}: its progress.json is not a population's")
        numbers, active = progress.places["numbers"], progress.places["active"]
        where = shardings(self.mesh, REPLICATED if len(numbers) % self.devices.device_count else EACH)
        template = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((len(numbers), *leaf.shape), leaf.dtype, sharding=where),
            shapes(self.job),
        )
        tree = found.restore(dict.fromkeys(("states", "best"), to_tree(template)))
        states, best = (jax.device_put(from_tree(tree[name]), where) for name in ("states", "best"))
        state = PopulationState(states, best, np.array(numbers), np.array(active, np.int32))
        if len(active) != self.devices.device_count:
            state = self._pack(state, list(self.running(state).values()))
        return state, progress

    def to_save(self, state: Any) -> Mapping[str, Any]:
        return {"states": to_tree(state.states), "best": to_tree(state.best)}

    def running(self, state: Any) -> dict[int, int]:
        each = len(state.numbers) // len(state.active)
        places = np.flatnonzero(np.arange(each) < state.active[:, None])
        return {int(state.numbers[place]): int(place) for place in places}

    def member(self, tree: Any, place: int) -> Any:
        return jax.tree.map(operator.itemgetter(place), tree)

    def places_of(self, state: Any) -> dict[str, list[int]]:
        return {"numbers": state.numbers.tolist(), "active": state.active.tolist()}

    def hyper_of(self, state: Any, rate_factors: Sequence[float] | None = None) -> Any:
        """Return the hyperparameters of each place, and which places are active."""
        hyper = dict(self.members.take(state.numbers).hyper)
        if rate_factors is not None:
            factors = np.array(rate_factors, np.float32)[state.numbers]
            hyper["learning_rate"] = hyper["learning_rate"] * factors
        return self._put(hyper), self._put(state.active)

    def batch_of(self, state: Any, step: int) -> jax.Array:
        """Return the example numbers [members, rows] of training batch number `step`."""
        if self.members.select is not None:
            return self._own_examples(state, "train", step)
        seeds, select = self.members.take(state.numbers).seeds, self.job.task.select
        rows = {seed: select("train", int(seed), step) for seed in np.unique(seeds)}
        return self._put(np.stack([rows[seed] for seed in seeds]))

    def _own_examples(self, state: Any, split: str, step: int) -> jax.Array:
        assert self.members.select is not None
        return self._put(np.stack([self.members.select(split, int(own), step) for own in state.numbers]))

    def settle(self, result: Result) -> Result:
        return result

    def take_metrics(self, state: Any) -> tuple[PopulationState, Taken]:
        states, taken = self.compiled.take_metrics(state.states)
        return state._replace(states=states), taken

    def means(self, sums: Any) -> dict[str, float]:
        return {
            name: float(total / count) if count else math.nan
            for name, (total, count) in sums.items()
            if np.ndim(total) == 0
        }

    def health(self, state: Any) -> dict[int, Health]:
        states = state.states
        found = placement.fetch((states.diverged_at, states.skipped, self.compiled.is_finite(states)))
        return {
            number: Health(*(part[place].item() for part in found))
            for number, place in self.running(state).items()
        }

    def evaluate_members(self, state: Any, split: str, between: Between = lambda: None) -> ByMember:
        (hyper, active), task = self.hyper_of(state), self.job.task
        carry, parts = None, []
        if task.carry_rows is not None:
            one, places = self.job.network.initial_carry(task.carry_rows[split]), len(state.numbers)
            carry = self._put(jax.tree.map(lambda part: jnp.broadcast_to(part, (places, *part.shape)), one))
        for step in range(math.ceil(task.batches[split])):
            between()
            if self.members.select is None:
                indices = put(task.select(split, 0, step), shardings(self.mesh, REPLICATED))
            else:
                indices = self._own_examples(state, split, step)
            parameters, data = state.states.evaluated, self.data[split]
            part, carry = self.compiled.eval_step(parameters, carry, hyper, data, indices, active)
            parts.append(part)
        parts = placement.fetch(parts)
        sums = jax.tree.map(lambda *leaves: sum(np.asarray(leaf, float) for leaf in leaves), *parts)
        return {
            number: self.job.metrics_of([self.member(sums, place)])
            for number, place in self.running(state).items()
        }

    def training_batch(self, state: Any, step: int) -> ByMember:
        (hyper, active), found = self.hyper_of(state), {}
        for seed in np.unique(self.members.seeds):  # members of one seed have the same batch
            indices = put(self.job.task.select("train", int(seed), step), shardings(self.mesh, REPLICATED))
            parameters, data = state.states.parameters, self.data["train"]
            part, _ = self.compiled.eval_step(parameters, None, hyper, data, indices, active)
            sums = placement.fetch(part)
            for number, place in self.running(state).items():
                if self.members.seeds[number] == seed:
                    found[number] = self.means(self.member(sums, place))
        return found

    def generating(self, state: Any, number: int) -> tuple[Any, int]:
        place = self.running(state)[number]
        return self.member(state.states.evaluated, place), int(self.members.seeds[number])

    def keep_best(self, state: Any, improved: Collection[int]) -> PopulationState:
        is_better = np.zeros(len(state.numbers), bool)
        for number, place in self.running(state).items():
            is_better[place] = number in improved
        return state._replace(best=self.compiled.take_better(state.best, state.states, self._put(is_better)))

    def retire(self, state: Any, progress: Progress, folders: Sequence[RunFolder]) -> PopulationState:
        """Write the best state of members that have ended into their run folders, and pack the others."""
        best, left = placement.fetch(state.best), []
        for number, place in self.running(state).items():
            member = progress.members[number]
            if member.status == RUNNING:
                left.append(place)
            elif member.best_step is not None:
                at_best = MemberStatus().evaluated(member.best_step, member.best, self.job.task.objective)
                _write_best(folders[number], self.member(best, place), at_best)
        if left:
            return self._pack(state, left)
        return state._replace(active=np.zeros_like(state.active))

    def _pack(self, state: PopulationState, left: Sequence[int]) -> PopulationState:
        """Spread the members at the places `left` over the devices."""
        room = self._room(len(left), len(state.numbers))
        sources, active = order(left, room, self.devices.device_count)
        where = put(sources, shardings(self.mesh, REPLICATED))
        states = self.compiled.pack(state.states, where)  # one after the other, to save memory
        best = self.compiled.pack(state.best, where)
        return PopulationState(states, best, state.numbers[sources], active)

    def _room(self, running: int, now: int | None = None) -> int:
        """Return how many places `running` members need; `now` is how many they have, None: none yet.

        One after another, empty places cost nothing and the compiled steps stay as they are. All at once they
        cost as much as others, and half the room is worth compiling for.
        """
        devices = self.devices.device_count
        least = running + -running % devices
        if now is None or now % devices:
            return least
        while self.how == "vmap" and now // 2 >= least and now // 2 % devices == 0:
            now //= 2
        return now

    def _put(self, tree: Any) -> Any:
        """Place arrays [members, ...] where the steps need them."""
        return put(tree, shardings(self.mesh, EACH))


Trainable = Program | Population
"""What the training loop trains."""


def load(job: Job, devices: Devices, members: Members, how: LayOut | None = None) -> Population:
    """Place a job on devices, for members, computed one after another or at once (None: by the platform)."""
    mesh = Mesh(devices.mesh.devices.reshape(-1, 1), (MEMBERS, DATA))
    how = how or steps.lay_out(mesh.devices.flat[0].platform)
    whole = shardings(mesh, REPLICATED)
    arrays = job.device_arrays if members.arrays is None else members.arrays
    data = {split: put(dict(own), whole) for split, own in arrays.items()}
    compiled = steps.compile_steps(job, mesh, how, own_examples=members.select is not None)
    return Population(job, devices, members, mesh, how, data, compiled)


def _write_best(folder: RunFolder, best: State, at_best: MemberStatus) -> None:
    """Write a member's best state as a run of its own has it: its checkpoint, to be resumed or loaded."""
    shutil.rmtree(folder.checkpoints, ignore_errors=True)  # of a process that was killed while it wrote
    progress = Progress(devices=1, members=(at_best,), evaluated_at=at_best.step, is_planned=True)
    try:
        store.write(folder.checkpoints, at_best.step, replace_keys(to_tree(best)), progress.to_json())
    except (OSError, ValueError) as error:
        raise storage_error(folder.checkpoints, error) from error
