"""The one place where epochs become steps."""

import math
from fractions import Fraction


def to_steps(steps: int | None, epochs: float | None, epoch_steps: Fraction) -> int | None:
    """A duration given in steps or in epochs, in steps; None where neither is given.

    An epoch ends with the first step after which all of its examples have been seen.

    Args:
        steps: the duration in steps.
        epochs: the duration in epochs.
        epoch_steps: steps an epoch, not rounded.
    """
    if epochs is None:
        return steps
    return math.ceil(Fraction(epochs) * epoch_steps)


def due(step: int, steps: int | None, epochs: float | None, epoch_steps: Fraction) -> bool:
    """Whether something that happens every so many steps or epochs happens after `step` steps."""
    if epochs is None:
        return steps is not None and step % steps == 0
    period = Fraction(epochs) * epoch_steps
    times = math.floor(step / period)
    return times > 0 and step == math.ceil(times * period)
