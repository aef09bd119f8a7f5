"""A job small enough to be trained many times."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import pytest

from rnn_jax.runtime.config import load_config
from rnn_jax.runtime.schema import Config, validate

TINY: dict[str, Any] = {
    "dataset.examples": 40,
    "dataset.batch_size": 12,
    "model.hidden_size": 6,
    "train.duration_steps": 12,
    "train.evaluate_every_steps": 4,
    "log.every_steps": 3,
    "log.tensorboard": False,
}


def build_tiny(changes: dict[str, Any] | None = None) -> Config:
    """A config of twelve steps in batches of twelve, on forty examples."""
    return validate(load_config("configs/digits.py:smoke", TINY | (changes or {})))[0]


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Config]:
    """tiny({"train.seed": 1}): see `build_tiny`."""
    return build_tiny


@pytest.fixture
def compiled_as_for_users() -> Iterator[None]:
    """With all optimizations, which other tests do without: see tests/conftest.py."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
