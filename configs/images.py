"""Your own labelled images, read by rows, from a folder of images per class or from four IDX files.

    python -m rnn_jax.main --config configs/images.py --config.dataset.folder=DIR
    python -m rnn_jax.main --config configs/images.py:idx --config.dataset.folder=DIR

A folder of images contains a folder for each class, or folders `train`, `test` and optionally `validation`
(also `training`, `testing`, `val`, `valid` and `dev`, with or without `_set`) that contain these. The images
are PNG or JPEG files, all of one size. Images in folders inside the folder of a class belong to it; hidden
ones are not used, and what else is not used is printed with its number. Data without a split gets a
stratified 80/10/10 split with a fixed seed. Colours are converted to grey levels, and transparent pixels to
white. Grey PNG files of 16 bits are scaled by the number of bits that their values need. Images are never
inverted, unless dataset.background=dark or light makes the background of every image so.
With few images, cross-validate: --config.dataset.validation_folds=5.

IDX files have the names of MNIST's files and may be gzipped. The first twelfth of the training images is the
validation split, as the first 5,000 of MNIST's 60,000. With both kinds, dataset.validation_examples=N uses
the first N training images instead, in the order of their files' names. So this command gives exactly the
metrics of configs/mnist.py:

    python -m rnn_jax.main --config configs/images.py:idx --config.dataset.folder=MNIST

Expected: with MNIST, the time and accuracy of configs/mnist.py, which has the same recipe.
"""

from ml_collections import ConfigDict

from . import base, mnist


def get_config() -> ConfigDict:
    """Return the recipe of configs/mnist.py for a folder of images."""
    config = mnist.get_config()
    config.dataset.update(name="image_folder", folder="images")
    return config


def idx(config: ConfigDict) -> None:
    """Read four IDX files with the names of MNIST's."""
    if config.dataset.name == "image_folder":
        config.dataset.name = "idx"


def smoke(config: ConfigDict) -> None:
    """Train a small network on synthetic images in seconds."""
    base.smoke(config, template="mnist")


VARIANTS = {"idx": idx, "smoke": smoke}
