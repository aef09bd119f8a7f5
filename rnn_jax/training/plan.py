"""The plan of a run: how long it trains, and when it evaluates. The one place where epochs become steps."""

import math
from fractions import Fraction
from typing import NamedTuple

from rnn_jax.config.sections import Train


class Plan(NamedTuple):
    """The config section `train`, with its durations in steps."""

    settings: Train
    epoch_steps: Fraction  # steps of an epoch, not rounded
    last_step: int  # number of updates of the whole run

    @property
    def skips(self) -> int:
        """Updates that may be skipped because the loss or the gradient is not finite."""
        return (self.settings.divergence_limit or 0) if self.settings.divergence == "skip" else 0

    @property
    def restores(self) -> int:
        """How often a run that diverged may return to its last checkpoint."""
        return (self.settings.divergence_limit or 0) if self.settings.divergence == "restore" else 0

    @property
    def tolerated(self) -> str:
        """What was tolerated before a model counts as diverged, as a part of the reason."""
        events = {"skip": "skipped updates", "restore": "returns to the last checkpoint"}
        if self.settings.divergence not in events:
            return ""
        event = events[self.settings.divergence]
        return f", after {self.settings.divergence_limit:,} {event} (train.divergence_limit)"

    def rate_factor(self, restores: int) -> float:
        """Return the factor on the learning rate after that many returns to a checkpoint."""
        factor = self.settings.divergence_rate_factor
        return 1.0 if factor is None else factor**restores

    def evaluates_after(self, step: int) -> bool:
        """Whether the validation split is evaluated after `step` steps; after the last one it always is."""
        every_steps, every_epochs = self.settings.evaluate_every_steps, self.settings.evaluate_every_epochs
        return step == self.last_step or is_due(step, every_steps, every_epochs, self.epoch_steps)


def build_plan(settings: Train, epoch_steps: Fraction) -> Plan:
    """Build the plan of a run from the config section `train`."""
    last_step = to_steps(settings.duration_steps, settings.duration_epochs, epoch_steps)
    assert last_step is not None
    return Plan(settings, epoch_steps, last_step)


def to_steps(steps: int | None, epochs: float | None, epoch_steps: Fraction) -> int | None:
    """Convert a duration, given in steps or in epochs, to steps; None where neither is given.

    An epoch, of `epoch_steps` steps, not rounded, ends with the first step that completes it.
    """
    return steps if epochs is None else math.ceil(Fraction(epochs) * epoch_steps)


def is_due(step: int, steps: int | None, epochs: float | None, epoch_steps: Fraction) -> bool:
    """Whether something with a period, given in steps or in epochs, happens after `step` steps."""
    if epochs is None:
        return steps is not None and step % steps == 0
    period = Fraction(epochs) * epoch_steps
    times = math.floor(step / period)
    return times > 0 and step == math.ceil(times * period)
