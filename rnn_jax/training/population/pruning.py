"""Successive halving of a population: which members are pruned, and when."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.training.progress import DIVERGED, PRUNED, RUNNING, MemberStatus


class Rung(NamedTuple):
    """An evaluation after which only the members of the best points continue."""

    step: int
    keep: int  # number of points that continue


class Halving(NamedTuple):
    """When members are pruned: those of one point, which differ in their seed, together."""

    rungs: Sequence[Rung] = ()  # by step; none where nothing is pruned
    seeds: int = 1  # members of a point; they have consecutive numbers

    def prune(
        self, members: Sequence[MemberStatus], step: int, objective: Objective
    ) -> tuple[MemberStatus, ...]:
        """Return the statuses after the evaluation at `step`, the members of the worst points pruned.

        A point is as good as the mean of its members' best metrics; one with a diverged member is the worst.
        """
        members = list(members)

        def cost(point: Sequence[int]) -> tuple[float, ...]:
            has_diverged = any(members[number].status == DIVERGED for number in point)
            mean = objective.mean(members[number].best_with_step for number in point)
            return objective.sort_key(None if has_diverged else mean)

        for rung in (rung for rung in self.rungs if rung.step == step):
            points = [range(first, first + self.seeds) for first in range(0, len(members), self.seeds)]
            running = [point for point in points if any(members[n].status == RUNNING for n in point)]
            for number in (n for point in sorted(running, key=cost)[rung.keep :] for n in point):
                if members[number].status == RUNNING:
                    members[number] = dataclasses.replace(members[number], status=PRUNED)
        return tuple(members)

    def updates_left(self, last_step: int, running: int, step: int = 0) -> int:
        """Return how many updates `running` members make together after `step`, as far as can be foreseen."""
        left = 0
        for rung in self.rungs:
            if rung.step > step:
                left += running * (rung.step - step)
                step, running = rung.step, min(running, rung.keep * self.seeds)
        return left + running * (last_step - step)
