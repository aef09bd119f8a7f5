"""The 1,797 handwritten digits that scikit-learn carries: an LSTM reads 8 rows of 8 pixels.

    python -m rnn_jax.main --config configs/digits.py

Nothing is downloaded. Expected: 97.6 % of the 360 test images after 77 epochs (1,513 steps), in about half a
minute on two CPU cores.
"""

from ml_collections import ConfigDict

from . import base


def get_config() -> ConfigDict:
    """The recommended recipe."""
    config = base.get_config()
    config.update(
        dataset=dict(name="digits", batch_size=64),
        task=dict(name="classification", reading="rows", shift_pixels=1),
        optimizer=dict(learning_rate=4e-3, warmup_epochs=5.0, weight_decay=0.01),
        train=dict(duration_epochs=77.0, evaluate_every_epochs=7.0),
    )
    return config


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic images."""
    base.smoke(config, template="digits")


VARIANTS = {"smoke": smoke}
