"""Measured sequences of your own, of any length: predict a class of each, or real numbers.

    python -m rnn_jax.main --config configs/sequences.py --config.dataset.file=FILE.npz
    python -m rnn_jax.main --config configs/sequences.py:regression --config.dataset.file=FILE.npz

The file has x, float [examples, steps, features] with lengths [examples] where some are shorter, or float
[steps, features], the sequences one after another, with their lengths; and y [examples], labels, or real
numbers. Without files of their own for validation and test (dataset.validation_file, dataset.test_file), the
data gets a stratified 80/10/10 split with a fixed seed.

Expected: it depends on the sequences; a thousand of a hundred steps take a minute.
"""

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """Labels, and a small network: a start."""
    config = base.get_config()
    config.update(
        dataset=dict(name="sequences", file="sequences.npz", batch_size=32),
        task=dict(name="sequence_classification", buckets=4),
        model=dict(hidden_size=64, bidirectional=True, pool="max", output_dropout=0.2),
        optimizer=dict(learning_rate=3e-3, warmup_steps=20, beta2=0.99),
        train=dict(duration_epochs=50.0, evaluate_every_epochs=2.0),
        log=dict(every_steps=20),
    )
    return config


def regression(config: ConfigDict) -> None:
    """Real numbers instead of labels."""
    config.task.name = "sequence_regression"
    if config.dataset.name == "synthetic":
        config.dataset.template = "measurements"


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic waves."""
    template = "measurements" if config.task.name == "sequence_regression" else "sequences"
    base.smoke(config, template=template, batch_size=16)
    config.task.buckets = 1


VARIANTS = {"regression": regression, "smoke": smoke}
