"""The objective: the validation metrics, in order, that decide which of two models is better.

Each task declares its own, `train.objective` chooses another, and `summary.json` stores it. Best checkpoints,
retention, early stopping, pruning, rankings and reports all compare by `Objective.sort_key`. Metrics are a
mapping with a `step`, as `best` in `summary.json`:

    objective = Objective("accuracy", "max", ties=(("loss", "min"),))
    early, late = {"step": 9, "accuracy": 1.0, "loss": 0.6}, {"step": 90, "accuracy": 1.0, "loss": 0.1}
    objective.is_better(late, early)                      # True: the accuracies tie, and the loss is lower
    objective.is_better({**early, "step": 10}, early)     # True: of equal metrics, the later step
    objective.improves({**early, "step": 10}, early)      # False: the metrics are equal
    objective.is_better({"accuracy": math.nan}, None)     # False: the first metric must be finite
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

from pydantic.dataclasses import dataclass

from rnn_jax.config.messages import nearest
from rnn_jax.runtime.errors import UserError

Direction = Literal["max", "min"]
"""Whether larger or smaller values of a metric are better."""

Metrics = Mapping[str, Any]
"""Values of metrics by name, None where they are not finite, and the `step` at which a model had them."""

Found = TypeVar("Found", bound=Metrics)


@dataclass(frozen=True)
class Objective:
    """A validation metric, and those that decide between models that tie in it.

    Raises ValueError for another direction.
    """

    metric: str
    direction: Direction
    ties: tuple[tuple[str, Direction], ...] = ()

    @property
    def criteria(self) -> tuple[tuple[str, Direction], ...]:
        """All metrics with their directions, in the order in which they decide."""
        return ((self.metric, self.direction), *self.ties)

    def sort_key(self, found: Metrics | None) -> tuple[float, ...]:
        """Return a key that sorts the best metrics first: a float for each criterion, then the later step.

        Missing and non-finite values are the worst; where the first one is, no other counts.
        """
        found, key = found or {}, list[float]()
        for name, direction in self.criteria:
            value = found.get(name)
            if value is None or not math.isfinite(value):
                value = math.inf
            elif direction == "max":
                value = -value
            key.append(value)
        return (math.inf,) * (len(key) + 1) if math.isinf(key[0]) else (*key, -found.get("step", 0))

    def is_better(self, new: Metrics | None, old: Metrics | None) -> bool:
        """Whether `new` is to be preferred to `old`: by a metric, or where all are equal by the step."""
        return self.sort_key(new) < self.sort_key(old)

    def improves(self, new: Metrics | None, old: Metrics | None) -> bool:
        """Whether `new` is strictly better than `old` in the first metric in which they differ."""
        return self.sort_key(new)[:-1] < self.sort_key(old)[:-1]

    def best(self, found: Iterable[Found | None]) -> Found | None:
        """Return the best metrics, or None where the first metric is finite in none."""
        best = min(found, key=self.sort_key, default=None)
        return None if math.isinf(self.sort_key(best)[0]) else best

    def mean(self, found: Iterable[Metrics | None]) -> dict[str, float]:
        """Return the mean of each metric that decides, and of the step, for `sort_key`.

        A metric that is missing or not finite in one of them is NaN.
        """
        found, means = [{"step": 0, **(each or {})} for each in found], {}
        for name in (*(name for name, _ in self.criteria), "step"):
            values: list[Any] = [each.get(name) for each in found]
            is_known = bool(values) and all(value is not None and math.isfinite(value) for value in values)
            means[name] = statistics.mean(values) if is_known else math.nan
        return means

    def to_json(self) -> list[dict[str, str]]:
        """Return the content of `objective` in `summary.json`."""
        return [{"metric": name, "direction": direction} for name, direction in self.criteria]

    @classmethod
    def from_json(cls, content: Any) -> "Objective":
        """Rebuild an objective from `to_json`'s list; raise ValueError for anything else."""
        try:
            (metric, direction), *ties = ((entry["metric"], entry["direction"]) for entry in content)
            return cls(metric, direction, tuple(ties))
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"{content!r} is not a list of metrics with their directions") from error


def to_text(setting: Any) -> Any:
    """Return the text of `train.objective` for a list of names or (name, direction); others as given."""
    if not isinstance(setting, list | tuple):
        return setting
    return ", ".join(
        ":".join(map(str, part)) if isinstance(part, list | tuple) else str(part) for part in setting
    )


def criteria_of(text: str) -> list[tuple[str, str | None]]:
    """Return the names in the text of `train.objective`, each with its direction or None: `f1, loss:min`."""
    parts = [part.strip().partition(":") for part in text.split(",")]
    return [(name.strip(), direction.strip() if colon else None) for name, colon, direction in parts]


def choose_objective(text: str | None, default: Objective, known: Mapping[str, Direction]) -> Objective:
    """Return the objective that `train.objective` names, None for the task's own; `known` are its metrics.

    A single name is followed by the loss, as small validation splits often tie in others.

    Raises:
        UserError: a metric that the task does not evaluate, or the wrong direction of one.
    """
    if text is None:
        return default
    named = criteria_of(text)
    for name, direction in named:
        problem = None
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"it evaluates {', '.join(known)}"
            problem = f"the task does not evaluate {name}; {hint}"
        elif direction not in (None, known[name]):
            problem = f"{name} is best at its {known[name]}imum; write {name}:{known[name]}"
        if problem is not None:
            raise UserError(f"train.objective = {text}: {problem}")
    names = [name for name, _ in named]
    if names == [default.metric]:
        return default
    if len(names) == 1 and "loss" in known and names != ["loss"]:
        names.append("loss")
    first, *others = names
    return Objective(first, known[first], tuple((name, known[name]) for name in others))
