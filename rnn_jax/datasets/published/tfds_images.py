"""Any set of images with one label each that TensorFlow Datasets (TFDS) has, by its name.

TFDS's own builders need TensorFlow to prepare data, though not to read what is prepared:
pip install -e '.[tensorflow]'. Pictures in colour are read in grey.
"""

import re
from typing import Any

import numpy as np

from rnn_jax.datasets import splitting
from rnn_jax.datasets.dataset import SPLITS, Loaded, Splits
from rnn_jax.datasets.published import builder, images
from rnn_jax.runtime.errors import UserError

_NAME = re.compile(r"\w+(/\w[\w.-]*)*")
_GREY = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601


def load(*, name: str, data_dir: str | None = None) -> Loaded:
    """Loads the images called `name`, which TFDS downloads and prepares where that has not been done.

    Its test split tests; without a validation split a tenth of train validates, stratified, and without a
    test split another one tests.

    Raises:
        UserError: TFDS has no such set, it has no images of one size with one label each, or it cannot be
            had.
    """
    where = f"dataset.name = tfds:{name}"
    root = builder.root_of(data_dir)
    if not _NAME.fullmatch(name):  # with a colon TFDS would fetch somebody's code, and run it
        raise UserError(f"{where}: should be a name of TFDS's own, as mnist or emnist/letters")
    builder.check_features(root / name)
    with builder.quiet():
        import tensorflow_datasets as tfds

        try:
            found: Any = tfds.builder(name, data_dir=root)
        except Exception as error:  # of many kinds
            raise UserError(f"{where}: TFDS cannot find it: {_first_line(error)}") from error
        features = found.info.features
        label = next((key for key, value in features.items() if hasattr(value, "names")), None)
        image = next((key for key, value in features.items() if isinstance(value, tfds.features.Image)), None)
        if label is None or image is None:
            raise UserError(f"{where}: has {', '.join(features)}; needed are images, and a class for each")
        try:
            found.download_and_prepare(file_format="array_record")
        except ImportError as error:
            raise UserError(
                f"{where}: TFDS needs TensorFlow to prepare it: pip install -e '.[tensorflow]'"
            ) from error
        except Exception as error:
            raise UserError(f"{where}: cannot be prepared: {_first_line(error)}") from error
        read = {split: _read(found, split, image, label, where) for split in found.info.splits}
    names = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
    given = {split: next((read[name] for name in names[split] if name in read), None) for split in SPLITS}
    splits: Splits = {split: arrays for split, arrays in given.items() if arrays is not None}
    if "train" not in splits:
        raise UserError(f"{where}: has no split train; it has {', '.join(read)}")
    train = splits["train"]
    rows = splitting.divide(train["targets"], tuple(split for split in SPLITS if split not in splits), where)
    splits |= {split: {key: array[own] for key, array in train.items()} for split, own in rows.items()}
    height, width = train["inputs"].shape[1:]
    classes = tuple(features[label].names)
    spec = images.spec_of(height, width, len(classes))
    return Loaded(str(found.version), spec, {split: splits[split] for split in SPLITS}, None, classes)


def _read(found: Any, split: str, image: str, label: str, where: str) -> dict[str, np.ndarray]:
    records = found.as_data_source(split)
    examples = records.__getitems__(range(len(records)))
    sizes = {example[image].shape for example in examples}
    if len({size[:2] for size in sizes}) > 1:
        raise UserError(f"{where}: its images are of several sizes: {', '.join(map(str, sorted(sizes)[:3]))}")
    inputs = np.stack([_in_grey(example[image]) for example in examples])
    return {"inputs": inputs, "targets": np.array([example[label] for example in examples], np.int32)}


def _in_grey(image: np.ndarray) -> np.ndarray:
    """An image [height, width, channels] as uint8 [height, width]."""
    if image.shape[2] < 3:
        return image[:, :, 0].astype(np.uint8)
    return np.rint(image[:, :, :3] @ _GREY).astype(np.uint8)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
