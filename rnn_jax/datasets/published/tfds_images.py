"""Any data set of images with one label each in TensorFlow Datasets (TFDS), by its name.

TFDS's own builders need TensorFlow to prepare data, but not to read prepared data: pip install -e
'.[tensorflow]'. Images in colour are converted to grey.
"""

import re
from typing import Any

import numpy as np

from rnn_jax.datasets import idx, prepared
from rnn_jax.datasets.dataset import Dataset, Splits
from rnn_jax.datasets.published import builder
from rnn_jax.datasets.splitting import add_missing_splits
from rnn_jax.runtime.errors import UserError

_NAME = re.compile(r"\w+(/\w[\w.-]*)*")
_GREY = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601
_SPLITS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}


def load_tfds_images(*, name: str, data_dir: str | None = None) -> Dataset:
    """Load the images called `name`, which TFDS downloads and prepares if it has not done so.

    A missing validation or test split is a stratified tenth of train.

    Raises:
        UserError: TFDS has no such data set, it does not have images of one size with one label each, or it
            cannot be prepared.
    """
    where = f"dataset.name = tfds:{name}"
    root = prepared.root_of(data_dir)
    if not _NAME.fullmatch(name):  # TFDS would download and run code for a name with a colon
        raise UserError(f"{where}: must be one of TFDS's own names, such as mnist or emnist/letters")
    builder.check_features(root / name)
    with builder.quiet():
        import tensorflow_datasets as tfds

        try:
            found: Any = tfds.builder(name, data_dir=root)
        except Exception as error:  # of any type
            raise UserError(f"{where}: TFDS cannot find it: {_first_line(error)}") from error
        features = found.info.features
        label = next((key for key, value in features.items() if hasattr(value, "names")), None)
        image = next((key for key, value in features.items() if isinstance(value, tfds.features.Image)), None)
        if label is None or image is None:
            raise UserError(f"{where}: has {', '.join(features)}: must have an image and a class label")
        try:
            found.download_and_prepare(file_format="array_record")
        except ImportError as error:
            raise UserError(
                f"{where}: TFDS needs TensorFlow to prepare it; pip install -e '.[tensorflow]'"
            ) from error
        except Exception as error:
            raise UserError(f"{where}: cannot be prepared: {_first_line(error)}") from error
        read = {split: _read(found, split, image, label, where) for split in found.info.splits}
    splits: Splits = {
        split: next(read[name] for name in names if name in read)
        for split, names in _SPLITS.items()
        if not read.keys().isdisjoint(names)
    }
    if "train" not in splits:
        raise UserError(f"{where}: has no split train, only {', '.join(read)}")
    splits = add_missing_splits(splits, (), where)
    height, width = splits["train"]["inputs"].shape[1:]
    classes = tuple(features[label].names)
    spec = idx.image_spec(height, width, len(classes))
    return Dataset(str(found.version), spec, splits, None, classes)


def _read(found: Any, split: str, image: str, label: str, where: str) -> dict[str, np.ndarray]:
    records = found.as_data_source(split)
    examples = records.__getitems__(range(len(records)))
    sizes = {example[image].shape for example in examples}
    if len({size[:2] for size in sizes}) > 1:
        raise UserError(f"{where}: has images of several sizes: {', '.join(map(str, sorted(sizes)[:3]))}")
    inputs = np.stack([_to_grey(example[image]) for example in examples])
    return {"inputs": inputs, "targets": np.array([example[label] for example in examples], np.int32)}


def _to_grey(image: np.ndarray) -> np.ndarray:
    """Convert an image [height, width, channels] to uint8 [height, width]."""
    if image.shape[2] < 3:
        return image[:, :, 0].astype(np.uint8)
    return np.rint(image[:, :, :3] @ _GREY).astype(np.uint8)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
