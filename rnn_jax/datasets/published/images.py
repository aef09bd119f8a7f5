"""Published images with one label each: MNIST, Fashion-MNIST, the digits of scikit-learn, and those of TFDS.

TFDS's own builders need TensorFlow to prepare data, but not to read prepared data: pip install -e
'.[tensorflow]'. Images in colour are converted to grey.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.datasets import idx, prepared
from rnn_jax.datasets.dataset import Arrays, Dataset, Spec, Splits, take
from rnn_jax.datasets.published import builder
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.splitting import add_missing_splits, hold_out_first, stratified_order
from rnn_jax.runtime.errors import UserError

MNIST_SPEC = idx.image_spec(28, 28, 10)  # Fashion-MNIST's, too
DIGIT_NAMES = tuple("0123456789")
_CLOTHES = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"


def idx_loader(
    name: str,
    description: str,
    url: str,
    checksums: dict[str, str],
    classes: tuple[str, ...],
    spec: Spec = MNIST_SPEC,
    validation: int = 5_000,  # as in TensorFlow's `read_data_sets`
) -> Callable[..., Dataset]:
    """Build the loader of a data set of four IDX files with MNIST's names: see `Source`.

    The first `validation` training examples are for validation.
    """

    def read(files: dict[str, Path]) -> Splits:
        names = idx.FILES.items()
        return {split: idx.read_pair(files[images], files[labels], spec) for split, (images, labels) in names}

    def load(*, data_dir: str | None = None, manual_dir: str | None = None) -> Dataset:
        splits = builder.load_splits(source, data_dir, manual_dir)
        parts = {**hold_out_first(splits["train"], validation), "test": splits["test"]}
        return Dataset(source.version, spec, parts, classes=classes)

    features = {
        "inputs": Feature((spec["height"], spec["width"]), np.uint8),
        "targets": Feature((), np.int32),
    }
    source = Source(name, "1.0.0", description, url, checksums, features, read)
    return load


load_mnist = idx_loader(
    "mnist",
    description="MNIST: handwritten digits (from NIST's data), by Y. LeCun, C. Cortes and C. J. C. Burges.",
    url="https://storage.googleapis.com/cvdf-datasets/mnist/",  # TFDS's own address
    checksums={
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    classes=DIGIT_NAMES,
)

load_fashion_mnist = idx_loader(
    "fashion_mnist",
    description="Fashion-MNIST: articles of clothing, by H. Xiao, K. Rasul and R. Vollgraf (1708.07747).",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    checksums={
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    classes=tuple(_CLOTHES.split(", ")),
)

DIGITS_SPEC: Spec = {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}


def load_digits() -> Dataset:
    """Load the 1,797 digits of scikit-learn (the test part of UCI's handwritten digits), stratified."""
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    targets = np.asarray(labels).astype(np.int32)
    arrays = {"inputs": np.asarray(images).reshape(-1, 8, 8).astype(np.uint8), "targets": targets}
    test, validation, train = np.split(stratified_order(targets), [360, 360 + 180])  # and 1,257
    rows = {"train": train, "validation": validation, "test": test}
    splits = {split: take(arrays, own) for split, own in rows.items()}
    return Dataset("1.0.0", DIGITS_SPEC, splits, classes=DIGIT_NAMES)


_TFDS_NAME = re.compile(r"\w+(/\w[\w.-]*)*")
_GREY = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601
_TFDS_SPLITS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def load_tfds_images(*, name: str, data_dir: str | None = None) -> Dataset:
    """Load the images called `name`, which TFDS downloads and prepares if it has not done so.

    A missing validation or test split is a stratified tenth of train. Raises UserError if TFDS has no such
    data set, cannot prepare it, or it does not have images of one size with one label each.
    """
    where = f"dataset.name = tfds:{name}"
    root = prepared.root_of(data_dir)
    if not _TFDS_NAME.fullmatch(name):  # TFDS would download and run code for a name with a colon
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
            remedy = "pip install -e '.[tensorflow]'"
            raise UserError(f"{where}: TFDS needs TensorFlow to prepare it; {remedy}") from error
        except Exception as error:
            raise UserError(f"{where}: cannot be prepared: {_first_line(error)}") from error
        read = {split: _read(found, split, image, label, where) for split in found.info.splits}
    splits = {split: read[name] for name, split in _TFDS_SPLITS.items() if name in read}
    if "train" not in splits:
        raise UserError(f"{where}: has no split train, only {', '.join(read)}")
    splits = add_missing_splits(splits, (), where)
    height, width = splits["train"]["inputs"].shape[1:]
    classes = tuple(features[label].names)
    spec = idx.image_spec(height, width, len(classes))
    return Dataset(str(found.version), spec, splits, None, classes)


def _read(found: Any, split: str, image: str, label: str, where: str) -> Arrays:
    records = found.as_data_source(split)
    examples = records.__getitems__(range(len(records)))
    sizes = {example[image].shape for example in examples}
    if len({size[:2] for size in sizes}) > 1:
        raise UserError(f"{where}: has images of several sizes: {', '.join(map(str, sorted(sizes)[:3]))}")
    images = [example[image] for example in examples]  # each [height, width, channels]
    if others := {str(each.dtype) for each in images} - {"uint8"}:
        raise UserError(f"{where}: has images of {', '.join(sorted(others))}: must be uint8")
    targets = np.array([example[label] for example in examples], np.int32)
    return {"inputs": np.stack([_to_grey(each) for each in images]), "targets": targets}


def _to_grey(image: np.ndarray) -> np.ndarray:
    """Return an image [height, width, 1 to 4], on white where it is transparent, in grey, uint8."""
    grey = image[..., :3] @ _GREY if image.shape[2] >= 3 else image[..., 0].astype(np.float64)
    if image.shape[2] in (2, 4):
        grey = 255 - (255 - grey) * image[..., -1] / 255
    return np.rint(grey).astype(np.uint8)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
