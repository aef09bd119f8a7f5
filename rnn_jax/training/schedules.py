"""Learning-rate schedules: unit shapes that the peak learning rate is multiplied by, step by step.

The peak is an argument of the compiled step, the shape a part of it: one program serves every peak.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

from rnn_jax.config.sections import Optimizer
from rnn_jax.training.plan import Plan, to_steps

Number = TypeVar("Number", int, float)
Schedule = Callable[[jax.Array], jax.Array]
"""step, counted from 0 -> share of the peak at that step, 0 to 1."""


def build_schedule(settings: Optimizer, plan: Plan) -> Schedule:
    """Build the schedule of the config section `optimizer`, times its linear warmup."""
    warmup = to_steps(settings.warmup_steps, settings.warmup_epochs, plan.epoch_steps) or 0
    every = to_steps(settings.decay_every_steps, settings.decay_every_epochs, plan.epoch_steps)
    first = to_steps(settings.decay_from_steps, settings.decay_from_epochs, plan.epoch_steps)
    factor, shape = settings.decay_factor, constant
    if settings.schedule == "cosine":
        shape = cosine(warmup, plan.last_step, given(settings.final_fraction))
    elif settings.schedule == "step":
        shape = step_decay(given(every), given(factor), first or given(every))
    elif settings.schedule == "exponential":
        shape = exponential(given(every), given(factor))
    if warmup == 0:
        return shape
    # A linear rise over the first `warmup` steps, from 1 / warmup.
    return lambda step: shape(step) * jnp.minimum(1, (step + 1) / warmup)


def given(value: Number | None) -> Number:
    """Return a value that is set by the rules of a config."""
    assert value is not None
    return value


def constant(step: jax.Array) -> jax.Array:
    """Stay at the peak."""
    return jnp.ones_like(step, jnp.float32)


def cosine(warmup: int, last_step: int, final_fraction: float) -> Schedule:
    """Return half a cosine from 1 at the end of the warmup to `final_fraction` at `last_step`.

    Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5, without restarts.
    """

    def schedule(step: jax.Array) -> jax.Array:
        done = jnp.clip((step - warmup) / max(last_step - warmup, 1), 0, 1)
        return final_fraction + (1 - final_fraction) * 0.5 * (1 + jnp.cos(math.pi * done))

    return schedule


def step_decay(every: int, factor: float, first: int) -> Schedule:
    """Multiply by `factor` after the first `first` steps, and again after every `every` more."""
    return lambda step: jnp.float32(factor) ** jnp.maximum(0, (step - first) // every + 1)


def exponential(every: int, factor: float) -> Schedule:
    """Decay as fast as `step_decay`, but a little at every step."""
    return lambda step: jnp.float32(factor) ** (step / every)
