"""Schedules: unit shapes that a peak learning rate is multiplied by, step by step.

The peak is an argument of the compiled step, the shape a part of it: one program serves every peak.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

Schedule = Callable[[jax.Array], jax.Array]
"""step, counted from 0 -> share of the peak at that step, 0 to 1."""


def build(
    name: str,
    *,
    last_step: int,
    warmup: int,
    every: int | None,
    first: int | None,
    factor: float | None,
    final_fraction: float | None,
) -> Schedule:
    """The schedule `name`, after a linear warm-up; None stands for what its kind does not have."""
    shape = constant
    if name == "cosine":
        assert final_fraction is not None
        shape = cosine(warmup, last_step, final_fraction)
    elif name in ("step", "exponential"):
        assert every is not None
        assert factor is not None
        shape = step_decay(every, factor, first or every) if name == "step" else exponential(every, factor)
    return warmed_up(shape, warmup)


def constant(step: jax.Array) -> jax.Array:
    """Always the peak."""
    return jnp.ones_like(step, jnp.float32)


def cosine(warmup: int, last_step: int, final_fraction: float) -> Schedule:
    """Half a cosine from 1 at the end of the warm-up to `final_fraction` at `last_step`.

    Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5, without restarts.
    """

    def schedule(step: jax.Array) -> jax.Array:
        done = jnp.clip((step - warmup) / max(last_step - warmup, 1), 0, 1)
        return final_fraction + (1 - final_fraction) * 0.5 * (1 + jnp.cos(math.pi * done))

    return schedule


def step_decay(every: int, factor: float, first: int) -> Schedule:
    """Multiplied by `factor` after the first `first` steps, and again after every `every` more."""
    return lambda step: jnp.float32(factor) ** jnp.maximum(0, (step - first) // every + 1)


def exponential(every: int, factor: float) -> Schedule:
    """As fast as `step_decay`, but falling a little at every step."""
    return lambda step: jnp.float32(factor) ** (step / every)


def warmed_up(schedule: Schedule, warmup: int) -> Schedule:
    """A schedule times a linear rise over the first `warmup` steps, which begins with 1 / warmup."""
    if warmup == 0:
        return schedule
    return lambda step: schedule(step) * jnp.minimum(1, (step + 1) / warmup)
