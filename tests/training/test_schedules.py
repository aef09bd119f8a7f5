"""Unit shapes of learning rates."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax.training import schedules


def values(name: str, steps: int = 30, **parts: float | None) -> np.ndarray:
    settings: dict[str, Any] = {"last_step": 30, "warmup": 0, "every": None, "first": None, "factor": None}
    settings |= {"final_fraction": None} | parts
    schedule = schedules.build(name, **settings)
    return np.array([schedule(jnp.int32(step)) for step in range(steps)])


def test_cosine_with_warmup_equals_optax() -> None:
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 30, 0.1)
    expected = [float(jnp.asarray(schedule(step))) for step in range(10, 30)]
    ours = values("cosine", warmup=10, final_fraction=0.1)
    np.testing.assert_allclose(ours[:10], np.arange(1, 11) / 10, rtol=1e-6)
    np.testing.assert_allclose(ours[10:], expected, rtol=1e-5)


def test_step_and_exponential_equal_optax() -> None:
    for name, staircase in (("step", True), ("exponential", False)):
        decay = optax.exponential_decay(1.0, 7, 0.5, staircase=staircase)
        expected = [float(jnp.asarray(decay(step))) for step in range(30)]
        ours = values(name, every=7, factor=0.5)
        np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["constant", "step"])
def test_warmup_multiplies_any_schedule(name: str) -> None:
    ours = values(name, warmup=4, every=100, factor=0.5)
    np.testing.assert_allclose(ours[:6], [0.25, 0.5, 0.75, 1, 1, 1])


def test_cosine_stays_at_its_end() -> None:
    assert values("cosine", steps=40, final_fraction=0.25)[-1] == pytest.approx(0.25)


def test_a_step_decay_may_begin_later() -> None:
    # TensorFlow's tutorial: four epochs at the peak, here of two steps, then half as much after each.
    ours = values("step", 14, every=2, first=8, factor=0.5)
    assert ours.tolist() == [1] * 8 + [0.5] * 2 + [0.25] * 2 + [0.125] * 2
