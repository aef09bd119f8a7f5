"""Your own sequences of measurements, of any length: predict a class, or real values, for each sequence.

    python -m rnn_jax.main --config configs/sequences.py --config.dataset.file=FILE.npz
    python -m rnn_jax.main --config configs/sequences.py:regression --config.dataset.file=FILE.npz

The file contains the arrays

    x           float [examples, steps, features], or [steps, features] with all sequences concatenated
    lengths     int [examples], optional in the first case
    y           [examples], labels or real values; real values may also be [examples, outputs]

Unless validation and test have files of their own (dataset.validation_file, dataset.test_file), the data gets
a stratified 80/10/10 split with a fixed seed.
With few examples, cross-validate: --config.dataset.validation_folds=5.

Expected: the accuracy depends on the sequences; a thousand sequences of a hundred steps take a minute.
"""

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """Return a recipe to start from: labels, and a small network."""
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
    """Predict real values instead of labels."""
    config.task.name = "sequence_regression"
    if config.dataset.name == "synthetic":
        config.dataset.template = "measurements"


def smoke(config: ConfigDict) -> None:
    """Train a small network on synthetic waves in seconds."""
    template = "measurements" if config.task.name == "sequence_regression" else "sequences"
    base.smoke(config, template=template, batch_size=16)
    config.task.buckets = 1


VARIANTS = {"regression": regression, "smoke": smoke}
