"""Unit shapes of learning rates."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax.config.sections import Optimizer, Train
from rnn_jax.training.plan import Plan
from rnn_jax.training.schedules import build_schedule

PLAN = Plan(
    Train.model_validate({"seed": 0, "duration_steps": 30, "report_test": False, "divergence": "stop"}),
    epoch_steps=Fraction(1),
    last_step=30,
)


def values(name: str, steps: int = 30, **settings: float | None) -> np.ndarray:
    fields = {"name": "sgd", "learning_rate": 1.0, "schedule": name, **settings}
    schedule = build_schedule(Optimizer.model_validate(fields), PLAN)
    return np.array([schedule(jnp.int32(step)) for step in range(steps)])


def test_cosine_with_warmup_equals_optax() -> None:
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 30, 0.1)
    expected = [float(jnp.asarray(schedule(step))) for step in range(10, 30)]
    ours = values("cosine", warmup_steps=10, final_fraction=0.1)
    np.testing.assert_allclose(ours[:10], np.arange(1, 11) / 10, rtol=1e-6)
    np.testing.assert_allclose(ours[10:], expected, rtol=1e-5)


def test_step_and_exponential_equal_optax() -> None:
    for name, staircase in (("step", True), ("exponential", False)):
        decay = optax.exponential_decay(1.0, 7, 0.5, staircase=staircase)
        expected = [float(jnp.asarray(decay(step))) for step in range(30)]
        ours = values(name, decay_every_steps=7, decay_factor=0.5)
        np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["constant", "step"])
def test_warmup_multiplies_any_schedule(name: str) -> None:
    ours = values(name, warmup_steps=4, decay_every_steps=100, decay_factor=0.5)
    np.testing.assert_allclose(ours[:6], [0.25, 0.5, 0.75, 1, 1, 1])


def test_cosine_stays_at_its_end() -> None:
    assert values("cosine", steps=40, final_fraction=0.25)[-1] == pytest.approx(0.25)


def test_a_step_decay_may_begin_later() -> None:
    # TensorFlow's tutorial: four epochs at the peak, here of two steps, then half as much after each.
    ours = values("step", 14, decay_every_steps=2, decay_from_steps=8, decay_factor=0.5)
    assert ours.tolist() == [1] * 8 + [0.5] * 2 + [0.25] * 2 + [0.125] * 2
