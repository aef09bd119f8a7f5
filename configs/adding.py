"""The adding problem: predict the sum of the two marked values of a long sequence.

    python -m rnn_jax.main --config configs/adding.py
    python -m rnn_jax.main --config configs/adding.py --config.task.time_steps=750

Nothing is downloaded: every example is generated from its index. A constant prediction of 1 has a loss (the
mean squared error) of 1/6 = 0.167; accuracy is the fraction of predictions with an error below 0.08.
Expected: a loss of 0.0006 with the LSTM after 3,000 steps, four minutes on one CPU core; 90 % of its errors
are below 0.04, half the limit; 99.8 % with a GRU, and 8 % with a simple recurrent network.
"""

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """Return the recipe for 200 steps, over which a simple recurrent network does not learn the problem."""
    config = base.get_config()
    config.update(
        dataset=dict(name="generated", batch_size=64, examples=400_000),
        task=dict(name="adding", time_steps=200),
        optimizer=dict(name="adam", learning_rate=2e-3, warmup_steps=200),
        train=dict(duration_epochs=None, duration_steps=3_000),
    )
    config.train.update(evaluate_every_epochs=None, evaluate_every_steps=500)
    return config


def smoke(config: ConfigDict) -> None:
    """Train a small network on short sequences in seconds."""
    base.smoke(config, name="generated")
    config.task.time_steps = 20


VARIANTS = {"smoke": smoke}
