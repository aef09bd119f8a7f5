"""How parameters move: optax's parts, chained inside the step from numbers that are arguments of it.

So one compiled program serves every learning rate, decay and clip: optax's own ready-made optimizers and
schedules take such numbers as constants only.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnn_jax.training import schedules
from rnn_jax.training.durations import to_steps
from rnn_jax.training.schedules import Schedule

Hyper = Mapping[str, jax.Array]


class Optimizer(NamedTuple):
    """Two pure functions, and the schedule that the second follows."""

    init: Callable[[Any, Hyper], Any]
    """(parameters, hyper) -> optimizer state."""
    update: Callable[[Any, Any, Any, jax.Array, Hyper], tuple[Any, Any]]
    """(gradients, optimizer state, parameters, step, hyper) -> (parameters, optimizer state)."""
    average: Callable[[Any, Any, jax.Array], Any] | None
    """(averaged, parameters, step) -> averaged; None: no average is kept."""
    schedule: Schedule


def build(
    epoch_steps: Fraction,
    last_step: int,
    *,
    name: str,
    schedule: str,
    warmup_epochs: float | None,
    warmup_steps: int | None,
    decay_every_epochs: float | None,
    decay_every_steps: int | None,
    decay_from_epochs: float | None,
    decay_from_steps: int | None,
    decay_factor: float | None,
    final_fraction: float | None,
    beta1: float | None,
    beta2: float | None,
    epsilon: float | None,
    momentum: float | None,
    rms_decay: float | None,
    average_decay: float | None,
    average_from_epochs: float | None,
    average_from_steps: int | None,
) -> Optimizer:
    """Builds an optimizer (the config section `optimizer`; the schema says what each key means).

    Args:
        epoch_steps: steps of one epoch.
        last_step: where training ends, and a cosine with it.
    """
    shape = schedules.build(
        schedule,
        last_step=last_step,
        warmup=to_steps(warmup_steps, warmup_epochs, epoch_steps) or 0,
        every=to_steps(decay_every_steps, decay_every_epochs, epoch_steps),
        first=to_steps(decay_from_steps, decay_from_epochs, epoch_steps),
        factor=decay_factor,
        final_fraction=final_fraction,
    )

    def chain(rate: jax.Array | float, hyper: Hyper) -> optax.GradientTransformation:
        parts = [_direction(name, beta1, beta2, epsilon, momentum, rms_decay)]
        if "clip_norm" in hyper:
            parts.insert(0, optax.clip_by_global_norm(hyper["clip_norm"]))
        if "weight_decay" in hyper:
            parts.append(optax.add_decayed_weights(hyper["weight_decay"], mask=_all_but_biases))
        return optax.chain(*parts, optax.scale(-rate))

    def init(parameters: Any, hyper: Hyper) -> Any:
        return chain(0.0, hyper).init(parameters)

    def update(gradients: Any, state: Any, parameters: Any, step: jax.Array, hyper: Hyper) -> tuple[Any, Any]:
        rate = hyper["learning_rate"] * shape(step)
        updates, state = chain(rate, hyper).update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    average = None if average_decay is None else _moving_average(average_decay)
    average_from = to_steps(average_from_steps, average_from_epochs, epoch_steps)
    if average_from is not None:
        average = _mean_from(average_from)
    return Optimizer(init, update, average, shape)


def _direction(
    name: str,
    beta1: float | None,
    beta2: float | None,
    epsilon: float | None,
    momentum: float | None,
    rms_decay: float | None,
) -> optax.GradientTransformation:
    """What a step goes along, before it is scaled by the rate."""
    if name in ("adam", "adamw"):
        assert beta1 is not None
        assert beta2 is not None
        assert epsilon is not None
        return optax.scale_by_adam(beta1, beta2, epsilon)
    accumulate = optax.identity() if momentum is None else optax.trace(momentum)
    if name == "sgd":
        return accumulate
    assert rms_decay is not None
    assert epsilon is not None
    return optax.chain(optax.scale_by_rms(rms_decay, epsilon), accumulate)


def _all_but_biases(parameters: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key != "bias", parameters)


def _moving_average(decay: float) -> Callable[[Any, Any, jax.Array], Any]:
    def average(averaged: Any, parameters: Any, step: jax.Array) -> Any:
        # A shorter memory at first, so that the initial parameters are soon forgotten.
        kept = jnp.minimum(decay, (1 + step) / (10 + step))
        return jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, averaged, parameters)

    return average


def _mean_from(first: int) -> Callable[[Any, Any, jax.Array], Any]:
    """The mean of the parameters after all updates from number `first` on; until then they themselves.

    Polyak and Juditsky 1992; with plain SGD it is averaged SGD, as Merity et al. 2018 use it.
    """

    def average(averaged: Any, parameters: Any, step: jax.Array) -> Any:
        share = 1 / jnp.maximum(1, step - first + 1).astype(jnp.float32)
        return jax.tree.map(
            lambda old, new: jnp.where(step <= first, new, old + share * (new - old)), averaged, parameters
        )

    return average
