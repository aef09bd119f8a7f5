"""The loop over a population: all members train in step, and each has its own best and its own end."""

import contextlib
import dataclasses
import math
import operator
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from rnn_jax.checkpoints import checkpoint
from rnn_jax.checkpoints.saver import Saver
from rnn_jax.runtime.distributed import placement
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.signals import Interrupted, Stop
from rnn_jax.training.population import population, status
from rnn_jax.training.population.course import Course, Places, Trained
from rnn_jax.training.population.files import PopulationFiles
from rnn_jax.training.population.population import Population
from rnn_jax.training.population.status import Fate
from rnn_jax.training.state import State


def train(program: Population, course: Course, stop: Stop) -> Trained:
    """Trains all members to their end, or until a signal asks to stop.

    Where the folder of checkpoints has one, the population goes on from there.

    Raises:
        UserError: the checkpoint was made on another number of devices, which is not allowed.
        StorageError: a checkpoint could not be written.
        Interrupted: a signal asked to stop before the first update.
    """
    with stop.at_once():
        loop = _Loop(program, course, stop)
    with contextlib.closing(loop.saver):
        loop.train()
    return Trained(loop.fates, loop.seconds)


class _Loop:
    """A population under way."""

    def __init__(self, program: Population, course: Course, stop: Stop) -> None:
        self.program, self.course, self.stop = program, course, stop
        self.objective = program.job.task.objective
        self.fates = [Fate() for _ in course.folders]
        self.step = self.evaluated_at = 0
        self._pending: tuple[int, Any] | None = None
        self.files = PopulationFiles(course.folders, self.objective.metric)
        self.saver = Saver(course.checkpoints, course.keeper, self.objective.direction)
        self._updates, self._first_said = 0, False
        self._started = time.perf_counter()
        self._began = (self._started, 0)
        room = program.room(len(self.fates))
        self._place(Places(*population.order(range(len(self.fates)), room, program.devices)))
        self.states = program.init(self.members)
        self.best = jax.tree.map(lambda leaf: leaf.copy(), self.states)
        checkpoint.clear_unfinished(course.checkpoints)
        if checkpoint.steps(course.checkpoints):
            self._resume()
        self.files.begin(self.step, self.evaluated_at)
        self._saved_at = (self.step, self.evaluated_at)

    def train(self) -> None:
        """Trains all members to their end, or until a signal asks to stop; what is to be kept is saved."""
        plan = self.program.job.plan
        try:
            if self.step > self.evaluated_at and plan.evaluates_after(self.step):
                self.evaluate()  # that evaluation was interrupted
                self.save()
            while self.step < plan.last_step and self.places.active.any():
                self.update()
                self.saver.check()
                evaluates = plan.evaluates_after(self.step)
                if evaluates:
                    self.evaluate()
                if evaluates or self.saver.is_due(self.step):
                    self.save()
                self.stop.check()
        except Interrupted:
            if self._saved_at != (self.step, self.evaluated_at):
                self.save()
        self.saver.wait()

    @property
    def seconds(self) -> float:
        """Spent on this population, in this process and those before."""
        return time.perf_counter() - self._started

    def _place(self, places: Places) -> None:
        self.places = places
        self.members = self.course.members.take(places.numbers)
        self.hyper = self.program.put(dict(self.members.hyper))
        self.active = self.program.put(places.active)

    def _resume(self) -> None:
        def template(progress: Mapping[str, Any]) -> dict[str, Any]:
            states = self.program.shapes(self.states, len(progress["numbers"]))._asdict()
            return {"states": states, "best": states}

        tree, found = checkpoint.restore_tree(self.course.checkpoints, template)
        for line in found.damaged:
            self.course.console.warn(line)
        progress = found.progress
        self.states, self.best = State(**tree["states"]), State(**tree["best"])
        self.fates = [Fate(**fate) for fate in progress["fates"]]
        self.step, self.evaluated_at = progress["step"], progress["evaluated_at"]
        self._started -= progress["seconds"]
        places = Places(np.array(progress["numbers"]), np.array(progress["active"], np.int32))
        if len(places.active) != self.program.devices and not self.course.allow_device_change:
            raise UserError(
                f"{self.course.checkpoints}: trained on {len(places.active)} devices so far, and its bits "
                f"depend on that; here are {self.program.devices}\nSet runtime.devices={len(places.active)}, "
                "or runtime.allow_device_change=True."
            )
        if len(places.active) == self.program.devices:
            self._place(places)
        else:
            self._pack(places, list(places.running().values()))
        self.course.console.info(f"going on after step {self.step:,}")

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
            if not program.job.plan.evaluates_after(self.step):  # which says so later, and knows more
                self._say_how_far()

    def evaluate(self) -> None:
        """Looks at the validation split, and decides who goes on.

        Raises:
            Interrupted: a signal asked to stop meanwhile; nothing was decided.
        """
        diverged, finite = placement.fetch((self.states.diverged_at, self.program.is_finite(self.states)))
        self._flush()
        parts = self.states.evaluated, self.hyper, self.active
        found = evaluate(self.program, *parts, "validation", self.stop.check)
        self.evaluated_at = self.step
        plan, running = self.program.job.plan, self.places.running()
        is_better = np.zeros(len(self.places.numbers), bool)
        for number, place in running.items():
            fate = self.fates[number]
            fate.step = self.step
            if diverged[place] >= 0 or not finite[place]:  # the last update may have led out of the numbers
                fate.status = status.DIVERGED
                fate.step = int(diverged[place]) if diverged[place] >= 0 else self.step
                continue
            figures = found[place]
            self.files.note(number, self.step, "validation", figures)
            is_better[place] = fate.evaluated(self.step, figures, self.objective)
            if self.step == plan.last_step:
                fate.status = status.FINISHED
            elif plan.early_stopping_patience is not None and (
                fate.evaluations_since_best >= plan.early_stopping_patience
            ):
                fate.status = status.STOPPED_EARLY
        self.best = self.program.take_better(self.best, self.states, self.program.put(is_better))
        self.course.halving.give_up(self.fates, self.step, self.objective)
        self._end_and_pack(running)
        self._say_who_ended(list(running))
        self._say_how_far()

    def _end_and_pack(self, places: Mapping[int, int]) -> None:
        """Writes the best of those that have come to their end, and puts the others close together."""
        ended = [number for number in places if self.fates[number].status != status.RUNNING]
        if not ended:
            return
        best = placement.fetch(self.best)
        for number in ended:
            own = jax.tree.map(operator.itemgetter(places[number]), best)
            self.files.save_best(number, own, self.fates[number])
        left = [place for number, place in places.items() if self.fates[number].status == status.RUNNING]
        if left:
            self._pack(self.places, left)
        else:
            self._place(Places(self.places.numbers, np.zeros_like(self.places.active)))

    def _pack(self, places: Places, left: Sequence[int]) -> None:
        """Spreads the members that are `left` of some places over the devices."""
        room = self.program.room(len(left), len(places.numbers))
        sources, active = population.order(left, room, self.program.devices)
        where = jax.device_put(sources, self.program.whole)
        self.states = self.program.pack(self.states, where)  # one after the other, to save memory
        self.best = self.program.pack(self.best, where)
        self._place(Places(places.numbers[sources], active))

    def save(self) -> None:
        """Begins to save all members' states, after what was logged of them; the loop goes on meanwhile."""
        self._flush()
        self._saved_at = (self.step, self.evaluated_at)
        self.saver.save(
            self.step,
            {"states": self.states._asdict(), "best": self.best._asdict()},
            {
                "step": self.step,
                "evaluated_at": self.evaluated_at,
                "seconds": round(self.seconds, 1),
                "fates": [dataclasses.asdict(fate) for fate in self.fates],
                "numbers": self.places.numbers.tolist(),
                "active": self.places.active.tolist(),
            },
            before=self.files.write_noted(),
        )

    def _flush(self) -> None:
        """Notes the training figures that were taken, waiting for them if need be."""
        if self._pending is None:
            return
        (step, taken), self._pending = self._pending, None
        sums, diverged, _ = placement.fetch(taken)
        finalize = self.program.job.task.finalize
        for number, place in self.places.running().items():
            if diverged[place] < 0:
                figures = {name: float(total[place] / count[place]) for name, (total, count) in sums.items()}
                self.files.note(number, step, "train", finalize(figures))

    def _done(self) -> int:
        """Updates of the whole sweep, those counted in that members no longer make."""
        updates_left, last_step = self.course.halving.updates_left, self.program.job.plan.last_step
        planned = updates_left(last_step, len(self.fates))
        left = updates_left(last_step, int(self.places.active.sum()), self.step)
        return self.course.before.updates + planned - left

    def _say_how_far(self) -> None:
        now = time.perf_counter()
        figures = {} if (best := self._best_so_far()) is None else {f"best {self.objective.metric}": best}
        rate = (self._updates - self._began[1]) / (now - self._began[0])
        self.course.console.log_population(self._done(), figures, rate)
        if not self._first_said:  # what comes later is not measured by the first steps, which are compiled
            self._first_said, self._began = True, (now, self._updates)

    def _best_so_far(self) -> float | None:
        """The objective of the best member of the sweep."""
        bests = (fate.best.get(self.objective.metric) for fate in self.fates)
        return self.objective.best([self.course.before.best, *bests])

    def _say_who_ended(self, were_running: Sequence[int]) -> None:
        ends = Counter(self.fates[number].status for number in were_running)
        going_on = ends.pop(status.RUNNING, 0)
        if ends and going_on:
            said = ", ".join(f"{count} {status}" for status, count in ends.items())
            self.course.console.info(f"step {self.step:,}: {said}; {going_on} members go on")


def evaluate(
    program: Population,
    parameters: Any,
    hyper: Any,
    active: jax.Array,
    split: str,
    between: Callable[[], None] = lambda: None,
) -> list[dict[str, float]]:
    """The figures of a whole split in each place; of places that are not active they mean nothing.

    `between` is called before every batch, and may raise.
    """
    task, carry, totals = program.job.task, program.initial_carry(split, len(jax.tree.leaves(hyper)[0])), {}
    for step in range(math.ceil(task.batches[split])):
        between()
        indices = jax.device_put(task.select(split, 0, step), program.whole)
        part, carry = program.eval_step(parameters, carry, hyper, program.data[split], indices, active)
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
