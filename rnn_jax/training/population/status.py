"""What becomes of the members of a population: who is better than ever, who stops, who is given up."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.runtime.files import finite

RUNNING = "running"
FINISHED = "finished"
STOPPED_EARLY = "stopped early"
GIVEN_UP = "given up"
DIVERGED = "diverged"


@dataclasses.dataclass
class Fate:
    """What has become of a member: plain values, kept beside the states in a checkpoint."""

    status: str = RUNNING
    """One of this module's constants."""
    step: int = 0
    """Updates made."""
    best_step: int | None = None
    best: dict[str, float | None] = dataclasses.field(default_factory=dict)
    """Validation figures at `best_step`."""
    evaluations_since_best: int = 0

    def evaluated(self, step: int, figures: Mapping[str, float], objective: Objective) -> bool:
        """Notes an evaluation; whether the member is better than ever. A tie keeps the earlier best."""
        if objective.is_better(figures[objective.metric], self.best.get(objective.metric)):
            self.best_step, self.best, self.evaluations_since_best = step, finite(dict(figures)), 0
            return True
        self.evaluations_since_best += 1
        return False


class Rung(NamedTuple):
    """An evaluation after which only the members of the best points go on."""

    step: int
    keep: int
    """How many points."""


class Halving(NamedTuple):
    """When members are given up: those of one point, which differ in their seed, together."""

    rungs: Sequence[Rung]
    """By step."""
    seeds: int
    """How many members a point has; they have consecutive numbers."""

    def give_up(self, fates: Sequence[Fate], step: int, objective: Objective) -> None:
        """After the evaluation at `step`, ends the members of the worst points.

        A point is as good as its members' best figures on average; one with a diverged member is the worst.
        """
        for rung in self.rungs:
            if rung.step != step:
                continue
            points = [list(fates[first : first + self.seeds]) for first in range(0, len(fates), self.seeds)]
            running = [point for point in points if any(fate.status == RUNNING for fate in point)]
            running.sort(key=lambda point: _cost(point, objective))
            for fate in (fate for point in running[rung.keep :] for fate in point):
                if fate.status == RUNNING:
                    fate.status = GIVEN_UP

    def updates_left(self, last_step: int, running: int, step: int = 0) -> int:
        """How many updates so many running members make together after a step, as far as can be foreseen."""
        left = 0
        for rung in self.rungs:
            if rung.step > step:
                left += running * (rung.step - step)
                step, running = rung.step, min(running, rung.keep * self.seeds)
        return left + running * (last_step - step)


def _cost(point: Sequence[Fate], objective: Objective) -> float:
    if any(fate.status == DIVERGED for fate in point):
        return math.inf
    return statistics.mean(objective.sort_key(fate.best.get(objective.metric)) for fate in point)
