"""Configs of runs that are small enough to be trained many times."""

from collections.abc import Mapping
from typing import Any

from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import Config, validate

TINY: dict[str, Any] = {
    "dataset.examples": 40,
    "dataset.batch_size": 12,
    "model.hidden_size": 6,
    "train.duration_steps": 12,
    "train.evaluate_every_steps": 4,
    "log.every_steps": 3,
    "log.tensorboard": False,
}
TINY_LANGUAGE_MODEL: dict[str, Any] = {
    "dataset.examples": 98,
    "dataset.batch_size": 3,
    "task.bptt_steps": 5,
    "task.eval_batch_size": 2,
    "model.hidden_size": 6,
    "model.output_dropout": None,
    "model.embedding_dropout": None,
    "train.duration_steps": 12,
    "train.evaluate_every_steps": 4,
    "log.every_steps": 3,
    "log.tensorboard": False,
    "log.sample_tokens": 7,
}


def build_tiny(changes: dict[str, Any] | None = None) -> Config:
    """Return a config of twelve steps with batches of twelve out of forty examples."""
    return validate(load_config("configs/digits.py:smoke", TINY | (changes or {})))[0]


def build_tiny_language_model(changes: dict[str, Any] | None = None) -> Config:
    """Return a config of a language model with twelve steps and BPTT windows of five tokens."""
    return validate(load_config("configs/shakespeare.py:smoke", TINY_LANGUAGE_MODEL | (changes or {})))[0]


def lasting(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the summaries of two runs of one config share; a commit may be made between them."""
    differing = ("wall_seconds", "compile_seconds", "examples_per_second", "commit")
    return {name: value for name, value in summary.items() if name not in differing}


def flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics with those of each class beside the others, for `pytest.approx`."""
    return {
        f"{name}/{part}": value
        for name, values in metrics.items()
        for part, value in (values.items() if isinstance(values, Mapping) else [("", values)])
    }
