"""Copying: remember ten symbols through a delay, then repeat them. Every step has a target.

    python -m rnn_jax.main --config configs/copying.py
    python -m rnn_jax.main --config configs/copying.py --config.task.delay_steps=500

Nothing is downloaded: every example is generated from its index. Without any memory the loss (the mean
cross-entropy of a step) is 10 log 8 / 120 = 0.173; accuracy is that of the ten copied symbols, by chance
12.5 %. Expected: 33 % with the LSTM after 3,000 steps, four and a half minutes on one CPU core; 64 % with a
GRU, 100 % with an LRU.
"""

from ml_collections import ConfigDict

from . import adding, base


def get_config() -> ConfigDict:
    """The recipe of configs/adding.py; a hundred steps between the symbols and their copy."""
    config = adding.get_config()
    config.task.update(name="copying", delay_steps=100, copied_symbols=10, alphabet_size=8)
    return config


def smoke(config: ConfigDict) -> None:
    """Seconds long: a small network on short sequences."""
    base.smoke(config, name="generated")
    config.task.update(delay_steps=10, copied_symbols=3)


VARIANTS = {"smoke": smoke}
