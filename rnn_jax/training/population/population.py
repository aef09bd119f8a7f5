"""A population in training: which member is where, the best state of each, and its packing on the devices."""

import math
import operator
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax.checkpoints import store
from rnn_jax.checkpoints.format import replace_keys
from rnn_jax.checkpoints.store import Checkpoint
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.runtime.devices import Devices
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.errors import CheckpointError, storage_error
from rnn_jax.tasks.task import Arrays
from rnn_jax.training.build import Job
from rnn_jax.training.population import steps
from rnn_jax.training.population.steps import Members, MemberSteps
from rnn_jax.training.program import ByMember, Health, Program, Result
from rnn_jax.training.progress import MemberStatus, Progress, progress_of
from rnn_jax.training.state import State, from_tree, to_tree
from rnn_jax.training.steps import Taken


class Places(NamedTuple):
    """Where the running members are."""

    numbers: np.ndarray
    """[places], the number of the member at each place; at places that are not active, of any member."""
    active: np.ndarray
    """[devices], int32: how many of a device's places, from its first on, hold a running member."""

    def running(self) -> dict[int, int]:
        """Return the running members' places by their numbers."""
        each = len(self.numbers) // len(self.active)
        places = [device * each + place for device, count in enumerate(self.active) for place in range(count)]
        return {int(self.numbers[place]): place for place in places}


class PopulationState(NamedTuple):
    """What training changes."""

    states: State
    """Every array [places, ...]."""
    best: State
    """The states at the best evaluation so far of each place's member."""
    places: Places

    @property
    def step(self) -> int:
        """Updates made by the members that are running; the others are behind."""
        return int(placement.fetch(self.states.step).max())


class Population(NamedTuple):
    """Many models in one program: the methods of `program.Program`, by member."""

    compiled: MemberSteps
    devices: Devices
    members: Members

    @property
    def job(self) -> Job:
        return self.compiled.job

    @property
    def data(self) -> Mapping[str, Arrays]:
        return self.compiled.data

    def init(self) -> PopulationState:
        count, devices = len(self.members.seeds), self.devices.device_count
        places = Places(*steps.order(range(count), self.compiled.room(count), devices))
        states = self.compiled.init(self.members.take(places.numbers))
        return PopulationState(states, jax.tree.map(lambda leaf: leaf.copy(), states), places)

    def train_step(self, state: Any, hyper: Any, data: Arrays, indices: jax.Array) -> PopulationState:
        states = self.compiled.train_step(state.states, hyper[0], data, indices, hyper[1])
        return state._replace(states=states)

    def restore(self, found: Checkpoint) -> tuple[PopulationState, Progress]:
        progress = progress_of(found)
        if progress.places is None or set(progress.places) != set(Places._fields):
            raise CheckpointError(f"{found.path}: its progress.json is not a population's")
        numbers, active = progress.places["numbers"], progress.places["active"]
        template = self.compiled.shapes(len(numbers))
        tree = found.restore(dict.fromkeys(("states", "best"), to_tree(template)))
        shardings = jax.tree.map(lambda leaf: leaf.sharding, template)
        states, best = (jax.device_put(from_tree(tree[name]), shardings) for name in ("states", "best"))
        state = PopulationState(states, best, Places(np.array(numbers), np.array(active, np.int32)))
        if len(active) != self.devices.device_count:
            state = self._pack(state, list(state.places.running().values()))
        return state, progress

    def to_save(self, state: Any) -> Mapping[str, Any]:
        return {"states": to_tree(state.states), "best": to_tree(state.best)}

    def running(self, state: Any) -> dict[int, int]:
        return state.places.running()

    def member(self, tree: Any, place: int) -> Any:
        return jax.tree.map(operator.itemgetter(place), tree)

    def places_of(self, state: Any) -> dict[str, list[int]]:
        return {name: array.tolist() for name, array in state.places._asdict().items()}

    def hyper_of(self, state: Any, rate_factors: Sequence[float]) -> Any:
        """Return the hyperparameters of each place, and which places are active."""
        hyper = dict(self.members.take(state.places.numbers).hyper)
        factors = np.array(rate_factors, np.float32)[state.places.numbers]
        hyper["learning_rate"] = hyper["learning_rate"] * factors
        return self.compiled.put(hyper), self.compiled.put(state.places.active)

    def batch_of(self, state: Any, step: int) -> jax.Array:
        return self.compiled.indices(self.members.take(state.places.numbers), step)

    def settle(self, result: Result) -> Result:
        return result

    def take_metrics(self, state: Any) -> tuple[PopulationState, Taken]:
        states, taken = self.compiled.take_metrics(state.states)
        return state._replace(states=states), taken

    def means(self, sums: Any) -> dict[str, float]:
        return {name: float(total / count) if count else math.nan for name, (total, count) in sums.items()}

    def health(self, state: Any) -> dict[int, Health]:
        states = state.states
        diverged, skipped, finite = placement.fetch(
            (states.diverged_at, states.skipped, self.compiled.is_finite(states))
        )
        return {
            number: Health(int(diverged[place]), int(skipped[place]), bool(finite[place]))
            for number, place in state.places.running().items()
        }

    def evaluate_members(
        self, state: Any, split: str, between: Callable[[], None] = lambda: None
    ) -> ByMember:
        hyper, active = self.hyper_of(state, [1.0] * len(self.members.seeds))
        found = evaluate(self.compiled, state.states.evaluated, hyper, active, split, between)
        return {number: found[place] for number, place in state.places.running().items()}

    def training_batch(self, state: Any, step: int) -> ByMember:
        hyper, active = self.hyper_of(state, [1.0] * len(self.members.seeds))
        found = {}
        for seed in np.unique(self.members.seeds):  # members of one seed have the same batch
            indices = jax.device_put(self.job.task.select("train", int(seed), step), self.compiled.whole)
            parameters, data = state.states.parameters, self.data["train"]
            part, _ = self.compiled.eval_step(parameters, None, hyper, data, indices, active)
            sums = placement.fetch(part)
            for number, place in state.places.running().items():
                if self.members.seeds[number] == seed:
                    found[number] = self.means(self.member(sums, place))
        return found

    def generating(self, state: Any, number: int) -> tuple[Any, int]:
        place = state.places.running()[number]
        return self.member(state.states.evaluated, place), int(self.members.seeds[number])

    def keep_best(self, state: Any, improved: Collection[int]) -> PopulationState:
        is_better = np.zeros(len(state.places.numbers), bool)
        for number, place in state.places.running().items():
            is_better[place] = number in improved
        best = self.compiled.take_better(state.best, state.states, self.compiled.put(is_better))
        return state._replace(best=best)

    def retire(
        self,
        state: Any,
        ended: Sequence[int],
        members: Sequence[MemberStatus],
        folders: Sequence[RunFolder],
    ) -> PopulationState:
        """Write the best state of members that have ended into their run folders, and pack the others."""
        running = state.places.running()
        best = placement.fetch(state.best)
        for number in ended:
            state_of_best, metric = self.member(best, running[number]), self.job.task.objective.metric
            _write_best(folders[number], state_of_best, members[number], metric)
        left = [place for number, place in running.items() if number not in ended]
        if left:
            return self._pack(state, left)
        return state._replace(places=Places(state.places.numbers, np.zeros_like(state.places.active)))

    def _pack(self, state: PopulationState, left: Sequence[int]) -> PopulationState:
        """Spread the members at the places `left` over the devices."""
        numbers = state.places.numbers
        room = self.compiled.room(len(left), len(numbers))
        sources, active = steps.order(left, room, self.devices.device_count)
        where = jax.device_put(sources, self.compiled.whole)
        states = self.compiled.pack(state.states, where)  # one after the other, to save memory
        return PopulationState(
            states, self.compiled.pack(state.best, where), Places(numbers[sources], active)
        )


Trainable = Program | Population
"""What the training loop trains."""


def evaluate(
    compiled: MemberSteps,
    parameters: Any,
    hyper: Any,
    active: jax.Array,
    split: str,
    between: Callable[[], None] = lambda: None,
) -> list[dict[str, float]]:
    """Return the metrics of a whole split at each place; at places that are not active they mean nothing.

    `between` is called before every batch, and may raise.
    """
    task, totals = compiled.job.task, {}
    carry = compiled.initial_carry(split, len(jax.tree.leaves(hyper)[0]))
    for step in range(math.ceil(task.batches[split])):
        between()
        indices = jax.device_put(task.select(split, 0, step), compiled.whole)
        part, carry = compiled.eval_step(parameters, carry, hyper, compiled.data[split], indices, active)
        for name, pair in part.items():
            totals.setdefault(name, []).append(pair)
    means = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, pairs in placement.fetch(totals).items():
            total, count = np.asarray(pairs, np.float64).sum(axis=0)
            means[name] = total / count
    return [
        task.finalize(dict(zip(means, map(float, each), strict=True)))
        for each in zip(*means.values(), strict=True)
    ]


def _write_best(folder: RunFolder, best: Any, member: MemberStatus, metric: str) -> None:
    """Write a member's best state as a run of its own has it: its checkpoint, to be resumed or loaded."""
    step = member.best_step
    if step is None:
        return
    shutil.rmtree(folder.checkpoints, ignore_errors=True)  # of a process that was killed while it wrote
    at_best = MemberStatus(step=step, best_step=step, best=member.best, metric=member.best[metric])
    progress = Progress(devices=1, members=(at_best,), evaluated_at=step, is_planned=True)
    try:
        store.write(folder.checkpoints, step, replace_keys(to_tree(best)), progress.to_json())
    except (OSError, ValueError) as error:
        raise storage_error(folder.checkpoints, error) from error
