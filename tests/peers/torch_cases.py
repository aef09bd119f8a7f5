"""The comparisons with PyTorch: what is computed, and the files of stored vectors. Imports no PyTorch."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

FOLDER = Path(__file__).parent
SEED = 0
"""Of the stored vectors."""

BATCH, TIME, HIDDEN = 4, 6, 4
FEATURES = 2 * HIDDEN
"""The input size of every layer but the second of one direction, so that layers share compiled programs."""
LENGTHS = np.array([TIME, 1, 4, 3], np.int32)
STEPS = 40

Tree = dict[str, Any]
"""Arrays, in nested dictionaries."""


class LayerCase(NamedTuple):
    """A recurrent network, `nn.RNN`, `nn.LSTM` or `nn.GRU` of PyTorch."""

    cell: str
    layers: int
    bidirectional: bool

    def __str__(self) -> str:
        return f"{self.cell}-{self.layers}-{'bidirectional' if self.bidirectional else 'forward'}"

    @property
    def recurrences(self) -> list[list[tuple[str, bool]]]:
        """By layer: the name of each recurrence, and whether it runs in reverse."""
        names = [[(f"recurrence_{n}", False), (f"recurrence_{n}_backward", True)] for n in range(self.layers)]
        return names if self.bidirectional else [pair[:1] for pair in names]

    def input_size(self, layer: int) -> int:
        """Features of a layer's inputs."""
        return FEATURES if layer == 0 else HIDDEN * (2 if self.bidirectional else 1)


LAYERS = [
    LayerCase(cell, layers, both)
    for cell in ("rnn", "lstm", "gru")
    for layers in (1, 2)
    for both in (False, True)
]


class OptimizerCase(NamedTuple):
    """Training a small network for `STEPS` steps."""

    name: str
    settings: dict[str, Any]
    """Keys of the config section `optimizer`."""
    hyper: Mapping[str, float] = MappingProxyType({})
    """Numeric hyperparameters besides the learning rate."""
    learning_rate: float = 0.1
    tolerance: float = 1e-12

    def __str__(self) -> str:
        return self.name


# Epsilon is large, so that its place in a formula matters.
ADAM = {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-2}
RMSPROP = {"name": "rmsprop", "rms_decay": 0.9, "epsilon": 1e-2}
DECAY, CLIP = {"weight_decay": 0.3}, {"clip_norm": 0.5}
FLOAT32 = 1e-6
"""The tolerance where a schedule or the weights of an average are computed in float32."""

OPTIMIZERS = [
    OptimizerCase("sgd", {"name": "sgd"}),
    OptimizerCase("momentum", {"name": "sgd", "momentum": 0.9}),
    OptimizerCase("momentum-decay-clip", {"name": "sgd", "momentum": 0.9}, DECAY | CLIP),
    OptimizerCase("adam", {"name": "adam", **ADAM}),
    OptimizerCase("adam-clip", {"name": "adam", **ADAM}, CLIP),
    OptimizerCase("adamw", {"name": "adamw", **ADAM}, DECAY),
    OptimizerCase("rmsprop", RMSPROP),
    OptimizerCase("rmsprop-momentum-decay", {**RMSPROP, "momentum": 0.5}, DECAY),
    OptimizerCase("warmup", {"name": "sgd", "warmup_steps": 8}),
    OptimizerCase("cosine", {"name": "sgd", "schedule": "cosine", "final_fraction": 0.0}, tolerance=FLOAT32),
    OptimizerCase(
        "adamw-cosine-warmup",
        {"name": "adamw", **ADAM, "schedule": "cosine", "warmup_steps": 10, "final_fraction": 0.2},
        DECAY,
        tolerance=FLOAT32,
    ),
    OptimizerCase(
        "momentum-step",
        {"name": "sgd", "momentum": 0.9, "schedule": "step", "decay_every_steps": 7, "decay_factor": 0.7},
        tolerance=FLOAT32,
    ),
    OptimizerCase(
        "step-from",
        {
            "name": "sgd",
            "schedule": "step",
            "decay_every_steps": 4,
            "decay_from_steps": 20,
            "decay_factor": 0.5,
        },
    ),
    OptimizerCase(
        "exponential-warmup",
        {
            "name": "sgd",
            "schedule": "exponential",
            "warmup_steps": 5,
            "decay_every_steps": 10,
            "decay_factor": 0.3,
        },
        tolerance=FLOAT32,
    ),
    OptimizerCase("moving-average", {"name": "sgd", "average_decay": 0.7}, tolerance=FLOAT32),
    OptimizerCase("polyak-average", {"name": "sgd", "average_from_steps": 15}, tolerance=FLOAT32),
]


def random_values(case: LayerCase | OptimizerCase, seed: int) -> np.random.Generator:
    """Return the random generator of a case's arguments."""
    return np.random.default_rng([seed, *str(case).encode()])


def write(path: Path, vectors: dict[str, Tree], metadata: dict[str, Any]) -> None:
    """Store the vectors of each case, and how they were made."""
    flat: dict[str, Any] = flatten_dict(vectors, sep="/")
    np.savez_compressed(path, metadata=np.array(json.dumps(metadata)), **flat)


def read(path: Path) -> tuple[dict[str, Tree], dict[str, Any]]:
    """Return what `write` stored."""
    with np.load(path) as stored:
        flat = dict(stored)
    metadata = json.loads(str(flat.pop("metadata")))
    return unflatten_dict(flat, sep="/"), metadata


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    """Compare every array of two trees; both must have the same names."""
    found, expected = flatten_dict(found, sep="/"), flatten_dict(expected, sep="/")
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(
            found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name, strict=True
        )
