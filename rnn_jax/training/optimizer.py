"""Optimizers: chains of Optax transformations that are built inside the training step.

Learning rate, decay and clipping norm are arguments of the step (`hyper`), so that one compiled program
serves all of their values: Optax's ready-made optimizers and schedules take them as constants only.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnn_jax.config import sections
from rnn_jax.models.parameter_groups import group_parameters
from rnn_jax.tasks.task import Hyper
from rnn_jax.training.plan import Plan, to_steps
from rnn_jax.training.schedules import Schedule, build_schedule, given


class Optimizer(NamedTuple):
    """Pure functions over the parameters and the optimizer's state."""

    init: Callable[[Any, Hyper], Any]
    """(parameters, hyper) -> optimizer state."""
    update: Callable[[Any, Any, Any, jax.Array, Hyper], tuple[Any, Any]]
    """(gradients, optimizer state, parameters, step, hyper) -> (parameters, optimizer state)."""
    average: Callable[[Any, Any, jax.Array], Any] | None
    """(averaged, parameters, step) -> averaged: an average of the parameters; None: none is kept."""
    schedule: Schedule


def build_optimizer(
    settings: sections.Optimizer, plan: Plan, group: Callable[[Any], Any] = group_parameters
) -> Optimizer:
    """Build the optimizer of the config section `optimizer`, which describes its keys.

    `group(parameters)` returns the group of each parameter, by which `decay_parameters` chooses.

    The learning rate of a step is `hyper["learning_rate"]`, the peak, times the schedule. After a roll-back
    the peak is lower, see `train.divergence`.
    """
    schedule, decayed = build_schedule(settings, plan), settings.decayed_groups

    def decays(parameters: Any) -> Any:
        return jax.tree.map(lambda name: name in decayed, group(parameters))

    def chain(rate: jax.Array | float, hyper: Hyper) -> optax.GradientTransformation:
        parts = [_direction(settings)]
        if "clip_norm" in hyper:
            parts.insert(0, optax.clip_by_global_norm(hyper["clip_norm"]))
        if "weight_decay" in hyper:
            parts.append(optax.add_decayed_weights(hyper["weight_decay"], mask=decays))
        return optax.chain(*parts, optax.scale(-rate))

    def init(parameters: Any, hyper: Hyper) -> Any:
        return chain(0.0, hyper).init(parameters)  # the state does not depend on the rate

    def update(gradients: Any, state: Any, parameters: Any, step: jax.Array, hyper: Hyper) -> tuple[Any, Any]:
        rate = hyper["learning_rate"] * schedule(step)
        updates, state = chain(rate, hyper).update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    average = None if settings.average_decay is None else partial(_moving_average, settings.average_decay)
    first = to_steps(settings.average_from_steps, settings.average_from_epochs, plan.epoch_steps)
    if first is not None:
        average = partial(_polyak_average, first)
    return Optimizer(init, update, average, schedule)


def _direction(settings: sections.Optimizer) -> optax.GradientTransformation:
    """Return the transformation that is scaled by the learning rate."""
    if settings.name in ("adam", "adamw"):
        return optax.scale_by_adam(given(settings.beta1), given(settings.beta2), given(settings.epsilon))
    accumulate = optax.identity() if settings.momentum is None else optax.trace(settings.momentum)
    if settings.name == "sgd":
        return accumulate
    return optax.chain(optax.scale_by_rms(given(settings.rms_decay), given(settings.epsilon)), accumulate)


def _moving_average(decay: float, averaged: Any, parameters: Any, step: jax.Array) -> Any:
    """Return the exponential moving average of the parameters."""
    # A shorter memory at first, so that the initial parameters are soon forgotten.
    kept = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, averaged, parameters)


def _polyak_average(first: int, averaged: Any, parameters: Any, step: jax.Array) -> Any:
    """Return the mean of the parameters after update number `first` and later; before, they themselves.

    Polyak and Juditsky 1992; with plain SGD it is averaged SGD, as in Merity et al. 2018.
    """
    share = 1 / jnp.maximum(1, step - first + 1).astype(jnp.float32)
    return jax.tree.map(
        lambda old, new: jnp.where(step <= first, new, old + share * (new - old)), averaged, parameters
    )
