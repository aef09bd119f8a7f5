"""Small networks for tests."""

from typing import Any

from rnn_jax import models

MODEL: dict[str, Any] = {
    "cell": "lstm",
    "implementation": "auto",
    "remat_steps": None,
    "hidden_size": 6,
    "layers": 1,
    "bidirectional": False,
    "residual": False,
    "variational_dropout": None,
    "tied_embedding": None,
    "embedding_size": None,
    "input_projection_size": None,
    "pool": None,
    "kernel_init": "lecun_normal",
    "recurrent_init": "orthogonal",
    "dense_init": "lecun_normal",
}
"""The config section `model`."""


def build_classifier(**changes: Any) -> models.Network:
    spec = {"input_size": 7, "time_steps": 9, "output_size": 5, "head": "last"}
    return models.build(spec, **MODEL | {"pool": "last"} | changes)


def build_language_model(vocabulary: int = 9, **changes: Any) -> models.Network:
    spec = {"vocabulary": vocabulary, "time_steps": 5, "output_size": vocabulary, "head": "every"}
    return models.build(spec, **MODEL | {"layers": 2, "dense_init": "uniform"} | changes)
