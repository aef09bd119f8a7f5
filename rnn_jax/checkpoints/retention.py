"""When checkpoints are saved besides every evaluation, and which of them stay."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Kept(NamedTuple):
    """A checkpoint that is there."""

    step: int
    figure: float | None
    """The objective on validation at this step; None, or NaN: it was not evaluated, or has none."""
    is_planned: bool = True
    """Whether the config alone says that there is a checkpoint here: a diverged run goes back to it."""


class Keeper(NamedTuple):
    """The config section `checkpoint`."""

    every_steps: int | None
    every_seconds: float | None
    keep_latest: int
    keep_best: int

    def due(self, step: int, seconds_since_saved: float) -> bool:
        """Whether a checkpoint is due after `step` steps."""
        is_late = self.every_seconds is not None and seconds_since_saved >= self.every_seconds
        return self.plans(step) or is_late

    @property
    def looks_at_the_clock(self) -> bool:
        """Whether `due` depends on the time."""
        return self.every_seconds is not None

    def plans(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps, however long they take."""
        return self.every_steps is not None and step % self.every_steps == 0

    def superfluous(self, there: Sequence[Kept], direction: str) -> list[int]:
        """The steps of the checkpoints that need not stay.

        The `keep_latest` latest stay, so that a run can go on, and the latest planned one; and the
        `keep_best` best of those that have a figure, of equal ones the earlier. A latest one never makes room
        for a best one, nor the other way round. It is decided by what is there alone, and not by what a
        process remembers.

        Args:
            there: the checkpoints, in any order, each step once.
            direction: 'max' or 'min', which figures are better.
        """
        sign = -1 if direction == "max" else 1
        latest = sorted(kept.step for kept in there)[-self.keep_latest :]
        planned = sorted(kept.step for kept in there if kept.is_planned)[-1:]
        known = [
            (sign * kept.figure, kept.step)
            for kept in there
            if kept.figure is not None and not math.isnan(kept.figure)
        ]
        best = [step for _, step in sorted(known)[: self.keep_best]]
        return sorted({kept.step for kept in there} - {*latest, *planned, *best})


def build(
    *, every_steps: int | None, every_seconds: float | None, keep_latest: int, keep_best: int
) -> Keeper:
    """Builds the keeping policy (the config section `checkpoint`)."""
    return Keeper(every_steps, every_seconds, keep_latest, keep_best)
