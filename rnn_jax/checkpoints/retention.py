"""Which checkpoints are retained."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from rnn_jax.config.objective import Objective
from rnn_jax.config.sections import Checkpoint


class SavedCheckpoint(NamedTuple):
    """What the retention policy needs of a checkpoint."""

    step: int
    metric: float | None
    """The objective on validation at this step; None: it was not evaluated, or is not finite."""
    is_planned: bool = True
    """Whether the config alone asks for a checkpoint at this step: a diverged run rolls back to it."""


def expired(saved: Sequence[SavedCheckpoint], settings: Checkpoint, objective: Objective) -> list[int]:
    """Return the steps of the checkpoints to remove; `saved` has each step once, in any order.

    Retained are the `keep_latest` latest, from which the run resumes, the latest planned one, and the
    `keep_best` best of those with a metric; of equal ones the earlier. A latest one never makes room for
    a best one, nor the other way round. Only what is on the disk counts, not what a process remembers.
    """
    latest = sorted(each.step for each in saved)[-settings.keep_latest :]
    planned = sorted(each.step for each in saved if each.is_planned)[-1:]
    ranked = sorted((objective.sort_key(each.metric), each.step) for each in saved)
    best = [step for key, step in ranked[: settings.keep_best] if math.isfinite(key)]
    return sorted({each.step for each in saved} - {*latest, *planned, *best})
