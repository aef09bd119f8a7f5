"""Small networks for tests."""

from typing import Any

import jax

from rnn_jax.config.sections import Model
from rnn_jax.models import Network, build_network
from rnn_jax.models.types import Keys

BATCH, TIME, FEATURES, OUTPUTS, VOCABULARY = 3, 5, 7, 4, 9


def settings(**changes: Any) -> Model:
    """The config section `model`."""
    model: dict[str, Any] = {
        "cell": "lstm",
        "implementation": "auto",
        "hidden_size": 6,
        "layers": 1,
        "bidirectional": False,
        "residual": False,
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal",
        "dense_init": "lecun_normal",
    }
    return Model(**model | changes)


def build_classifier(**changes: Any) -> Network:
    spec = {"input_size": FEATURES, "time_steps": TIME, "output_size": OUTPUTS, "head": "sequence"}
    return build_network(settings(**{"pool": "last"} | changes), spec)


def build_language_model(vocabulary: int = VOCABULARY, **changes: Any) -> Network:
    spec = {"vocabulary": vocabulary, "time_steps": TIME, "output_size": vocabulary, "head": "step"}
    return build_network(settings(**{"layers": 2, "dense_init": "uniform"} | changes), spec)


def build_keys(rows: int = BATCH, seed: int = 0) -> Keys:
    rows_key, batch_key = jax.random.split(jax.random.key(seed))
    return Keys(jax.random.split(rows_key, rows), batch_key)
