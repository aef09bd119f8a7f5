"""The loop over a population: all members train in step, and each has its own best and its own end."""

import dataclasses
import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax.reporting.console import Console
from rnn_jax.reporting.log import Lines
from rnn_jax.runtime.files import finite
from rnn_jax.runtime.run_folder import RunFolder
from rnn_jax.runtime.signals import Stop
from rnn_jax.training import checkpoint, population
from rnn_jax.training.checkpoint import Progress
from rnn_jax.training.population import Members, Population
from rnn_jax.training.state import State

RUNNING = "running"


@dataclasses.dataclass
class Fate:
    """What has become of a member: plain values, kept beside the states in a checkpoint."""

    status: str = RUNNING
    """'running', 'finished', 'stopped early', 'given up' or 'diverged'."""
    step: int = 0
    """Updates made."""
    best_step: int | None = None
    best: dict[str, float] = dataclasses.field(default_factory=dict)
    """Validation figures at `best_step`."""
    evaluations_since_best: int = 0


class Rung(NamedTuple):
    """A step after which only the members of the best points go on."""

    step: int
    keep: int
    """How many points."""


class Halving(NamedTuple):
    """When members are given up: those of one point, which differ in their seed, together."""

    rungs: Sequence[Rung]
    """By step."""
    seeds: int
    """How many members a point has; they have consecutive numbers."""

    def updates_left(self, last_step: int, running: int, step: int = 0) -> int:
        """How many updates so many running members make together after a step, as far as can be foreseen."""
        left = 0
        for rung in self.rungs:
            if rung.step > step:
                left += running * (rung.step - step)
                step, running = rung.step, min(running, rung.keep * self.seeds)
        return left + running * (last_step - step)


class Before(NamedTuple):
    """What came before a population, in the same sweep."""

    updates: int
    best: float | None
    """The objective of the best member so far."""


class Course(NamedTuple):
    """What a population is trained by besides its program."""

    members: Members
    folders: Sequence[RunFolder]
    """Each member's run folder, which exists."""
    checkpoints: Path
    """The folder of the checkpoints of all members together."""
    halving: Halving
    log_every_steps: int
    console: Console
    """Whose progress bar counts the updates of a whole sweep."""
    before: Before


class Places(NamedTuple):
    """Where the running members are."""

    numbers: np.ndarray
    """[places], which member is there; where none is active, any."""
    active: np.ndarray
    """[devices], how many of a device's places, from its first on, hold a running member."""

    def running(self) -> dict[int, int]:
        """The running members' places by their numbers."""
        each = len(self.numbers) // len(self.active)
        places = [device * each + place for device, count in enumerate(self.active) for place in range(count)]
        return {int(self.numbers[place]): place for place in places}


def train(program: Population, course: Course, stop: Stop) -> list[Fate]:
    """Trains all members to their end, or until a signal asks to stop: then some are still 'running'.

    Where the folder of checkpoints has one, the population goes on from there.
    """
    loop = _Loop(program, course)
    last_step = program.job.plan.last_step
    try:
        while loop.step < last_step and loop.places.active.any():
            loop.update()
            if loop.evaluates():
                loop.evaluate()
                loop.save()
            elif stop.requested is not None:
                loop.save()
            if stop.requested is not None:
                break
    finally:
        loop.close()
    return loop.fates


class _Loop:
    """A population under way."""

    def __init__(self, program: Population, course: Course) -> None:
        count = len(course.folders)
        self.program, self.course = program, course
        self.fates = [Fate() for _ in range(count)]
        self.step = 0
        self._lines = [Lines(folder.metrics) for folder in course.folders]
        self._pending: tuple[int, Any] | None = None
        self._rows: list[tuple[int, dict[str, Any]]] = []
        self._updates = 0
        self._began = (time.perf_counter(), 0)
        self._first_said = False
        room = count + -count % program.devices
        self._place(Places(*population.order(range(count), room, program.devices)))
        self.states = program.init(self.members)
        self.best = jax.tree.map(lambda leaf: leaf.copy(), self.states)
        if checkpoint.steps(course.checkpoints):
            self._resume()
        for lines in self._lines:
            lines.keep_up_to(self.step)

    def _place(self, places: Places) -> None:
        self.places = places
        self.members = self.course.members.take(places.numbers)
        self.hyper = self.program.put(dict(self.members.hyper))
        self.active = self.program.put(places.active)

    def _resume(self) -> None:
        template = {"states": self.states._asdict(), "best": self.best._asdict()}
        tree, progress, damaged = checkpoint.restore_tree(self.course.checkpoints, template)
        for line in damaged:
            self.course.console.warn(line)
        self.states, self.best = State(**tree["states"]), State(**tree["best"])
        self.fates = [Fate(**fate) for fate in progress["fates"]]
        self.step = progress["step"]
        self._place(Places(np.array(progress["numbers"]), np.array(progress["active"], np.int32)))
        self.course.console.note(f"going on after step {self.step:,}")

    def update(self) -> None:
        """One update of every running member, and what is logged of it."""
        program, data = self.program, self.program.data["train"]
        indices = program.indices(self.members, self.step)
        self.states = program.train_step(self.states, self.hyper, data, indices, self.active)
        self.step += 1
        self._updates += int(self.places.active.sum())
        self.course.console.tick(self._done())
        if self.step % self.course.log_every_steps == 0:
            self.states, taken = program.take_metrics(self.states)
            self._flush()
            self._pending = (self.step, taken)
            if not self.evaluates():  # which says so later, and knows more
                self._say_how_far()

    def evaluates(self) -> bool:
        """Whether the validation split is looked at now."""
        rung = any(rung.step == self.step for rung in self.course.halving.rungs)
        return rung or self.program.job.plan.evaluates_after(self.step)

    def evaluate(self) -> None:
        """Looks at the validation split, and decides who goes on."""
        diverged = np.asarray(self.states.diverged_at)
        self._flush()
        found = evaluate(self.program, self.states.evaluated, self.hyper, self.active, "validation")
        plan, running = self.program.job.plan, self.places.running()
        is_better = np.zeros(len(self.members.seeds), bool)
        for number, place in running.items():
            fate = self.fates[number]
            fate.step = self.step
            if diverged[place] >= 0:
                fate.status, fate.step = "diverged", int(diverged[place])
                continue
            figures = {name: float(values[place]) for name, values in found.items()}
            self._rows.append((number, {"step": self.step, "split": "validation", **finite(figures)}))
            is_better[place] = self._note(fate, figures)
            if self.step == plan.last_step:
                fate.status = "finished"
            elif (
                plan.stop_after_evaluations is not None
                and fate.evaluations_since_best >= plan.stop_after_evaluations
            ):
                fate.status = "stopped early"
        self.best = self.program.take_better(self.best, self.states, self.program.put(is_better))
        self._give_up()
        self._end_and_pack(running)
        self._say_who_ended(list(running))
        self._say_how_far()

    def _note(self, fate: Fate, figures: dict[str, float]) -> bool:
        """Whether a member is better than ever; a tie keeps the earlier best, and NaN is never better."""
        value, best = figures[self._objective], fate.best.get(self._objective, -self._sign * math.inf)
        if self._sign * value > self._sign * best:
            fate.best_step, fate.best, fate.evaluations_since_best = self.step, figures, 0
            return True
        fate.evaluations_since_best += 1
        return False

    def _give_up(self) -> None:
        """At a rung, ends the members of the worst points: by the mean of those that still run."""
        for rung in self.course.halving.rungs:
            if rung.step == self.step:
                points: dict[int, list[Fate]] = {}
                for number, fate in enumerate(self.fates):
                    if fate.status == RUNNING:
                        points.setdefault(number // self.course.halving.seeds, []).append(fate)
                for fates in sorted(points.values(), key=self._badness)[rung.keep :]:
                    for fate in fates:
                        fate.status = "given up"

    def _badness(self, fates: Sequence[Fate]) -> float:
        """Of a point with these members: smaller where they are better."""
        values = [fate.best[self._objective] for fate in fates if fate.best_step is not None]
        return -self._sign * statistics.mean(values) if values else math.inf

    def _end_and_pack(self, places: Mapping[int, int]) -> None:
        """Writes the best of those that have come to their end, and puts the others close together."""
        ended = [number for number in places if self.fates[number].status != RUNNING]
        if not ended:
            return
        best = jax.device_get(self.best)
        for number in ended:
            self._write_best(number, jax.tree.map(lambda leaf: leaf[places[number]], best))  # noqa: B023
        left = [place for number, place in places.items() if self.fates[number].status == RUNNING]
        if not left:
            self._place(Places(self.places.numbers, np.zeros_like(self.places.active)))
            return
        sources, active = population.order(left, len(self.members.seeds), self.program.devices)
        self.states, self.best = self.program.pack((self.states, self.best), self.program.put(sources))
        self._place(Places(self.places.numbers[sources], active))

    def _write_best(self, number: int, best: Any) -> None:
        fate, folder = self.fates[number], self.course.folders[number]
        if fate.best_step is not None:
            progress = Progress(1, fate.best_step, fate.best, fate.evaluations_since_best)
            checkpoint.save(folder.checkpoints, best, progress, keep=1)

    def save(self) -> None:
        """Saves all members' states, after what was logged of them."""
        self._flush()
        for number, row in self._rows:
            self._lines[number].append(row)
        for number in {number for number, _ in self._rows}:
            self._lines[number].flush()
        self._rows = []
        checkpoint.save_tree(
            self.course.checkpoints,
            self.step,
            {"states": self.states._asdict(), "best": self.best._asdict()},
            {
                "step": self.step,
                "fates": [dataclasses.asdict(fate) for fate in self.fates],
                "numbers": self.places.numbers.tolist(),
                "active": self.places.active.tolist(),
            },
        )
        checkpoint.keep_latest(self.course.checkpoints, 2)

    def close(self) -> None:
        """Closes the files."""
        for lines in self._lines:
            lines.close()

    def _flush(self) -> None:
        """Notes the training figures that were taken, waiting for them if need be."""
        if self._pending is None:
            return
        (step, taken), self._pending = self._pending, None
        sums, diverged = jax.device_get(taken)
        for number, place in self.places.running().items():
            if diverged[place] < 0:
                figures = {name: float(total[place] / count[place]) for name, (total, count) in sums.items()}
                self._rows.append((number, {"step": step, "split": "train", **finite(figures)}))

    def _done(self) -> int:
        """Updates of the whole sweep, those counted in that members no longer make."""
        updates_left, last_step = self.course.halving.updates_left, self.program.job.plan.last_step
        planned = updates_left(last_step, len(self.fates))
        left = updates_left(last_step, int(self.places.active.sum()), self.step)
        return self.course.before.updates + planned - left

    def _say_how_far(self) -> None:
        now = time.perf_counter()
        best = self.best_so_far()
        figures = {} if best is None else {f"best {self._objective}": best}
        rate = (self._updates - self._began[1]) / (now - self._began[0])
        self.course.console.progressed(self._done(), figures, rate)
        if not self._first_said:  # what comes later is not measured by the first steps, which are compiled
            self._first_said, self._began = True, (now, self._updates)

    def _say_who_ended(self, were_running: Sequence[int]) -> None:
        ends = Counter(self.fates[number].status for number in were_running)
        going_on = ends.pop(RUNNING, 0)
        if ends and going_on:
            said = ", ".join(f"{count} {status}" for status, count in ends.items())
            self.course.console.note(f"step {self.step:,}: {said}; {going_on} members go on")

    def best_so_far(self) -> float | None:
        """The objective of the best member of the sweep."""
        values = [fate.best[self._objective] for fate in self.fates if fate.best_step is not None]
        if self.course.before.best is not None:
            values.append(self.course.before.best)
        return max(values, key=lambda value: self._sign * value, default=None)

    @property
    def _objective(self) -> str:
        return self.program.job.task.objective[0]

    @property
    def _sign(self) -> int:
        return 1 if self.program.job.task.objective[1] == "max" else -1


def evaluate(
    program: Population, parameters: Any, hyper: Any, active: jax.Array, split: str
) -> dict[str, np.ndarray]:
    """The figures of a whole split, each [places]; of places that are not active they mean nothing."""
    task, carry, totals = program.job.task, None, {}
    for step in range(math.ceil(task.batches[split])):
        indices = jax.device_put(task.select(split, 0, step), program.whole)
        part, carry = program.eval_step(parameters, carry, hyper, program.data[split], indices, active)
        for name, pair in part.items():
            totals.setdefault(name, []).append(pair)
    means = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, pairs in jax.device_get(totals).items():
            total, count = np.asarray(pairs, np.float64).sum(axis=0)
            means[name] = total / count
    return means
