"""MNIST pixel by pixel: 784 steps of one pixel, a common benchmark for long-term memory.

    python -m rnn_jax.main --config configs/mnist_pixels.py
    python -m rnn_jax.main --config configs/mnist_pixels.py --config.model.cell=mingru

Expected: a test accuracy of 97.2 % after 30 epochs (12,891 steps), an hour on two CPU cores (0.28 s per
step); 92.6 % with an LRU, a quarter of an hour on one core. Without a network connection, use
--config.dataset.manual_dir=DIR, a folder with the four original files.
"""

from ml_collections import ConfigDict

from . import base, mnist


def get_config() -> ConfigDict:
    """Return the recipe of configs/mnist.py with a lower learning rate and chrono initialization."""
    config = mnist.get_config()
    config.update(
        task=dict(reading="pixels"),
        model=dict(forget_bias=None, chrono_steps=784.0),
        optimizer=dict(learning_rate=1e-3, weight_decay=0.01),
        train=dict(duration_epochs=30.0),
    )
    return config


def permuted(config: ConfigDict) -> None:
    """Read the pixels in a fixed random order, so that neighbouring pixels are far apart."""
    config.task.permutation_seed = 0


def smoke(config: ConfigDict) -> None:
    """Train a small network on synthetic images of 8×8 pixels in seconds."""
    base.smoke(config, template="digits")
    config.model.chrono_steps = 64.0


VARIANTS = {"permuted": permuted, "smoke": smoke}
