"""The objective: the validation metric that decides which of two models is better.

Each task declares its own, `summary.json` stores it, and best checkpoints, early stopping, pruning, rankings
and reports all compare by it:

    objective = Objective.of("accuracy", "max")
    objective.is_better(0.9, 0.8)          # True
    objective.is_better(0.9, 0.9)          # False: a tie keeps the earlier value
    objective.is_better(math.nan, None)    # False: only finite values are ever better
"""

import dataclasses
import math
import typing
from collections.abc import Iterable
from typing import Any, Literal

Direction = Literal["max", "min"]
"""Whether larger or smaller values of a metric are better."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """An ordered list of metrics with their directions; the first decides. For now it has one entry."""

    entries: tuple[tuple[str, Direction], ...]

    def __post_init__(self) -> None:
        if len(self.entries) != 1:
            raise ValueError(f"an objective has one metric, not {len(self.entries)}")
        if not isinstance(self.metric, str) or self.direction not in typing.get_args(Direction):
            raise ValueError(f"{self.entries[0]!r} is not a metric and 'max' or 'min'")

    @classmethod
    def of(cls, metric: str, direction: Direction) -> "Objective":
        """Return the objective with a single metric."""
        return cls(((metric, direction),))

    @property
    def metric(self) -> str:
        """Name of the validation metric that is compared."""
        return self.entries[0][0]

    @property
    def direction(self) -> Direction:
        """Whether larger ('max') or smaller ('min') values are better."""
        return self.entries[0][1]

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
        """Return the entries as `summary.json` stores them."""
        return [{"metric": metric, "direction": direction} for metric, direction in self.entries]

    @classmethod
    def from_json(cls, content: Any) -> "Objective":
        """Rebuild an objective from `to_json`'s list; raise ValueError for anything else."""
        try:
            return cls(tuple((entry["metric"], entry["direction"]) for entry in content))
        except (TypeError, KeyError) as error:
            raise ValueError(f"{content!r} is not a list of metrics and directions") from error
