"""MNIST pixel by pixel: 784 steps of one number, the field's test of memory on real data.

    python -m rnn_jax.main --config configs/mnist_pixels.py
    python -m rnn_jax.main --config configs/mnist_pixels.py --config.model.cell=mingru

Expected: 97.2 % of the test images after 30 epochs (12,891 steps), an hour on two CPU cores (0.28 s a step);
92.6 % with an LRU, in a quarter of an hour on one core. Without a network: --config.dataset.manual_dir=DIR.
"""

from ml_collections import ConfigDict

from . import base, mnist


def get_config() -> ConfigDict:
    """The recipe of configs/mnist.py at a lower rate, with chrono initialization for the whole image."""
    config = mnist.get_config()
    config.update(
        task=dict(reading="pixels"),
        model=dict(forget_bias=None, chrono_steps=784.0),
        optimizer=dict(learning_rate=1e-3, weight_decay=0.01),
        train=dict(duration_epochs=30.0),
    )
    return config


def permuted(config: ConfigDict) -> None:
    """The pixels in one fixed random order, so that related ones are far apart."""
    config.task.permutation_seed = 0


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic images of 8×8 pixels."""
    base.smoke(config, template="digits")
    config.model.chrono_steps = 64.0


VARIANTS = {"permuted": permuted, "smoke": smoke}
