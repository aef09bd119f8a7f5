"""The 1,797 handwritten digits of scikit-learn: an LSTM reads an image as 8 rows of 8 pixels.

    python -m rnn_jax.main --config configs/digits.py

Nothing is downloaded. Expected: a test accuracy of 97.6 % (360 images) after 77 epochs (1,513 steps), about
half a minute on two CPU cores.
"""

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """Return the recommended recipe."""
    config = base.get_config()
    config.update(
        dataset=dict(name="digits", batch_size=64),
        task=dict(name="classification", reading="rows", shift_pixels=1),
        optimizer=dict(learning_rate=4e-3, warmup_epochs=5.0, weight_decay=0.01),
        train=dict(duration_epochs=77.0, evaluate_every_epochs=7.0),
    )
    return config


def smoke(config: ConfigDict) -> None:
    """Train a small network on synthetic images in seconds."""
    base.smoke(config, template="digits")


VARIANTS = {"smoke": smoke}
