"""When checkpoints are saved between evaluations, and which of them are retained."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

from rnn_jax.config.objective import Objective


class SavedCheckpoint(NamedTuple):
    """What the retention policy needs of a checkpoint."""

    step: int
    metric: float | None
    """The objective on validation at this step; None: it was not evaluated, or is not finite."""
    is_planned: bool = True
    """Whether the config alone asks for a checkpoint at this step: a diverged run rolls back to it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """The config section `checkpoint`."""

    every_steps: int | None
    every_seconds: float | None
    keep_latest: int
    keep_best: int

    def is_due(self, step: int, seconds_since_saved: float) -> bool:
        """Whether a checkpoint is due after `step` steps."""
        is_late = self.every_seconds is not None and seconds_since_saved >= self.every_seconds
        return is_late or self.is_planned(step)

    def is_planned(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps, however long they take."""
        return self.every_steps is not None and step % self.every_steps == 0

    def expired(self, saved: Sequence[SavedCheckpoint], objective: Objective) -> list[int]:
        """The steps of the checkpoints to remove.

        Retained are the `keep_latest` latest, from which the run resumes, the latest planned one, and the
        `keep_best` best of those with a metric; of equal ones the earlier. A latest one never makes room for
        a best one, nor the other way round. Only what is on the disk counts, not what a process remembers.

        Args:
            saved: the checkpoints, in any order, each step once.
            objective: which metrics are better.
        """
        latest = sorted(each.step for each in saved)[-self.keep_latest :]
        planned = sorted(each.step for each in saved if each.is_planned)[-1:]
        ranked = sorted((objective.sort_key(each.metric), each.step) for each in saved)
        best = [step for key, step in ranked[: self.keep_best] if math.isfinite(key)]
        return sorted({each.step for each in saved} - {*latest, *planned, *best})
