"""MNIST pixel by pixel: 784 steps of one number, the field's test of memory on real data.

    python -m rnn_jax.main --config configs/mnist_pixels.py
    python -m rnn_jax.main --config configs/mnist_pixels.py --config.model.cell=mingru

Expected: 97.2 % of the test images after 30 epochs (12,891 steps), an hour on two CPU cores (0.28 s a step);
92.6 % with an LRU, in a quarter of an hour on one core. Without a network: --config.dataset.manual_dir=DIR.
"""

from collections.abc import Callable

from ml_collections.config_dict import ConfigDict

from configs import mnist


def get_config() -> ConfigDict:
    """The recipe of `configs/mnist.py` at a lower rate, with chrono initialization for the whole image."""
    config = mnist.get_config()
    config.update(
        task=dict(reading="pixels", permutation_seed=None),
        model=dict(forget_bias=None, chrono_steps=784.0),
        optimizer=dict(learning_rate=1e-3, weight_decay=0.01),
        train=dict(duration_epochs=30.0),
    )
    return config


def permuted(config: ConfigDict) -> None:
    """In one fixed random order: what belongs together is far apart."""
    config.update(task=dict(permutation_seed=0))


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic images of 8×8 pixels."""
    mnist.smoke(config)
    config.update(dataset=dict(template="digits"), model=dict(chrono_steps=64.0))


VARIANTS: dict[str, Callable[[ConfigDict], None]] = {"permuted": permuted, "smoke": smoke}
