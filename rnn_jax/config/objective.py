"""The objective: the validation metric that decides which of two models is better.

Each task declares its own, `summary.json` stores it, and best checkpoints, early stopping, pruning, rankings
and reports all compare by it:

    objective = Objective("accuracy", "max")
    objective.is_better(0.9, 0.8)          # True
    objective.is_better(0.9, 0.9)          # False: a tie keeps the earlier value
    objective.is_better(math.nan, None)    # False: only finite values are ever better
"""

import math
from collections.abc import Iterable
from typing import Any, Literal

from pydantic.dataclasses import dataclass

Direction = Literal["max", "min"]
"""Whether larger or smaller values of a metric are better."""


@dataclass(frozen=True)
class Objective:
    """A validation metric, and its direction; raises ValueError for another direction."""

    metric: str
    direction: Direction

    def sort_key(self, value: float | None) -> float:
        """Return a key that sorts the best value first; None and non-finite values come last."""
        if value is None or not math.isfinite(value):
            return math.inf
        return -value if self.direction == "max" else value

    def is_better(self, new: float | None, old: float | None) -> bool:
        """Whether `new` is strictly better than `old`. None and values that are not finite never are."""
        return self.sort_key(new) < self.sort_key(old)

    def best(self, values: Iterable[float | None]) -> float | None:
        """Return the best value, or None where none is finite."""
        best = min(values, key=self.sort_key, default=None)
        return None if math.isinf(self.sort_key(best)) else best

    def to_json(self) -> list[dict[str, str]]:
        """Return the content of `objective` in `summary.json`, a list with one entry for now."""
        return [{"metric": self.metric, "direction": self.direction}]

    @classmethod
    def from_json(cls, content: Any) -> "Objective":
        """Rebuild an objective from `to_json`'s list; raise ValueError for anything else."""
        try:
            (entry,) = content
            return cls(**entry)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{content!r} is not a list of one metric with its direction") from error
