"""Fashion-MNIST by rows: an LSTM reads an image as 28 rows of 28 pixels and predicts the kind of clothing.

    python -m rnn_jax.main --config configs/fashion_mnist.py

Without a network connection, use --config.dataset.manual_dir=DIR, a folder with the four original files.

Expected: a test accuracy of 90.7 % after 15 epochs (6,446 steps), in the time of configs/mnist.py.
"""

from ml_collections import ConfigDict

from . import base, mnist


def get_config() -> ConfigDict:
    """Return the recipe of configs/mnist.py for Fashion-MNIST."""
    config = mnist.get_config()
    config.dataset.name = "fashion_mnist"
    return config


def smoke(config: ConfigDict) -> None:
    """Train a small network on synthetic images in seconds."""
    base.smoke(config, template="fashion_mnist")


VARIANTS = {"smoke": smoke}
