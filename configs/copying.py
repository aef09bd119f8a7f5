"""The copying problem: remember ten symbols during a delay, then repeat them. Every step has a target.

    python -m rnn_jax.main --config configs/copying.py
    python -m rnn_jax.main --config configs/copying.py --config.task.delay_steps=500

Nothing is downloaded: every example is generated from its index. A model without memory has a loss (the mean
cross-entropy per step) of 10 log 8 / 120 = 0.173. Accuracy is that of the ten copied symbols, and 12.5 % by
chance.

Expected: an accuracy of 33 % with the LSTM after 3,000 steps, four and a half minutes on one CPU core; 64 %
with a GRU, 100 % with an LRU (measured with the marker one step later, at the first copied symbol).
"""

from ml_collections import ConfigDict

from . import adding, base


def get_config() -> ConfigDict:
    """Return the recipe of configs/adding.py, with 100 steps between the symbols and their copy."""
    config = adding.get_config()
    config.task.update(name="copying", delay_steps=100, copied_symbols=10, alphabet_size=8)
    return config


def smoke(config: ConfigDict) -> None:
    """Train a small network on short sequences in seconds."""
    base.smoke(config, name="generated")
    config.task.update(delay_steps=10, copied_symbols=3)


VARIANTS = {"smoke": smoke}
