"""Images of your own, read by rows, each with a label: a folder of images per class, or four IDX files.

    python -m rnn_jax.main --config configs/images.py --config.dataset.folder=DIR
    python -m rnn_jax.main --config configs/images.py:idx --config.dataset.folder=DIR

A folder of images, PNG or JPEG, all of one size, has a folder for each class, or `train`, `test` and
optionally `validation` that have them (or `training`, `testing` and `val`). Data without a split gets a
stratified 80/10/10 split with a fixed seed. Colours are read as grey levels.

IDX files are named as MNIST's, gzipped or not; the first twelfth of the training images is the validation
split, as the first 5,000 of MNIST's 60,000 are. In both, dataset.validation_examples=N takes the first N
training images, in the order of their files' names. So these give the metrics of configs/mnist.py, digit
for digit:

    python -m rnn_jax.main --config configs/images.py:idx --config.dataset.folder=MNIST

Expected: the time and accuracy of configs/mnist.py, whose recipe this is.
"""

from ml_collections import ConfigDict

from . import base, mnist


def get_config() -> ConfigDict:
    """A folder of images; the recipe of configs/mnist.py."""
    config = mnist.get_config()
    config.dataset.update(name="image_folder", folder="images")
    return config


def idx(config: ConfigDict) -> None:
    """Four IDX files, named as MNIST's."""
    if config.dataset.name == "image_folder":
        config.dataset.name = "idx"


def smoke(config: ConfigDict) -> None:
    """Seconds long, without any data: a small network on synthetic images."""
    base.smoke(config, template="mnist")


VARIANTS = {"idx": idx, "smoke": smoke}
