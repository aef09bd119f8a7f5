"""Published images with one label each: MNIST, Fashion-MNIST, and the digits of scikit-learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnn_jax.datasets import idx
from rnn_jax.datasets.dataset import SPLITS, Dataset, Spec, Splits, take
from rnn_jax.datasets.published import builder
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.splitting import hold_out_first, stratified_order


def idx_loader(
    name: str,
    *,
    version: str,
    description: str,
    url: str,
    checksums: dict[str, str],
    spec: Spec,
    classes: tuple[str, ...],
    validation: int,
) -> Callable[..., Dataset]:
    """Build the loader of a data set of four IDX files with MNIST's names: see `Source`.

    The first `validation` training examples are for validation.
    """

    def read(files: dict[str, Path]) -> Splits:
        return {
            split: idx.read_pair(files[images], files[labels], spec)
            for split, (images, labels) in idx.FILES.items()
        }

    def load(*, data_dir: str | None = None, manual_dir: str | None = None) -> Dataset:
        splits = builder.load_splits(source, data_dir, manual_dir)
        parts = {**hold_out_first(splits["train"], validation), "test": splits["test"]}
        return Dataset(version, spec, parts, classes=classes)

    shape = (spec["height"], spec["width"])
    features = {"inputs": Feature(shape, np.uint8), "targets": Feature((), np.int32)}
    source = Source(name, version, description, url, checksums, features, read)
    return load


MNIST_SPEC = idx.image_spec(28, 28, 10)  # Fashion-MNIST's, too
DIGIT_NAMES = tuple("0123456789")

load_mnist = idx_loader(
    "mnist",
    version="1.0.0",
    description="MNIST: handwritten digits (from NIST's data), by Y. LeCun, C. Cortes and C. J. C. Burges.",
    url="https://storage.googleapis.com/cvdf-datasets/mnist/",  # TFDS's own address
    checksums={
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    spec=MNIST_SPEC,
    classes=DIGIT_NAMES,
    validation=5_000,  # as in TensorFlow's `read_data_sets`
)

load_fashion_mnist = idx_loader(
    "fashion_mnist",
    version="1.0.0",
    description="Fashion-MNIST: articles of clothing, by H. Xiao, K. Rasul and R. Vollgraf (1708.07747).",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    checksums={
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    spec=MNIST_SPEC,
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    validation=5_000,
)

DIGITS_SPEC: Spec = {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}
_DIGITS_SEED = 0
_DIGITS_COUNTS = {"test": 360, "validation": 180, "train": 1_257}  # in the order they are split off


def load_digits() -> Dataset:
    """Load the 1,797 digits of scikit-learn (the test part of UCI's handwritten digits), stratified."""
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    arrays = {
        "inputs": np.asarray(images).reshape(-1, 8, 8).astype(np.uint8),
        "targets": np.asarray(labels).astype(np.int32),
    }
    order = stratified_order(arrays["targets"], _DIGITS_SEED)
    parts = np.split(order, np.cumsum(list(_DIGITS_COUNTS.values()))[:-1])
    rows = dict(zip(_DIGITS_COUNTS, parts, strict=True))
    splits = {split: take(arrays, rows[split]) for split in SPLITS}
    return Dataset("1.0.0", DIGITS_SPEC, splits, classes=DIGIT_NAMES)
