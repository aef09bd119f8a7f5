"""The data sets that `dataset.name` and `dataset.template` can name."""

from collections.abc import Mapping
from typing import Any

from pydantic.dataclasses import dataclass

from rnn_jax.catalogue.entry import STRICT, Data, Entry


@dataclass(frozen=True, eq=False, config=STRICT)
class DatasetEntry(Entry):
    """A data set: the builder takes its options and returns a `datasets.Dataset`."""

    data: Data | None
    """What kind of data it is; None: the kind of `dataset.template`."""
    template: str | Mapping[str, Any] | None = None
    """The spec of synthetic data of the same shape, or its path; None: there are none."""
    is_choice: bool = True
    """Whether `dataset.name` may be this name; otherwise only `dataset.template` may be."""
    takes_name: bool = False
    """Whether `dataset.name` is `NAME:OTHER`, and the builder takes the other name as `name`."""
    takes_data_dir: bool = False
    """Whether the builder takes `data_dir`, the folder of prepared data."""
    has_last_tenth: bool = False
    """Whether validation and test are also evaluated as one text, the split `last_tenth`."""
    writing_box: float | None = None
    """Of handwriting: the longer side of the character, centred by its mass, as a share of the image's
    shorter side."""


_PUBLISHED, _USER = "rnn_jax.datasets.published", "rnn_jax.datasets.user_files"
_IMAGES, _TEXTS, _IMDB = f"{_PUBLISHED}.images", f"{_PUBLISHED}.texts", f"{_PUBLISHED}.imdb"
_SYNTHETIC, _KEYS = "rnn_jax.datasets.synthetic", "rnn_jax.config.sections.dataset"
_SEQUENCES = f"{_USER}.sequences:load_sequences"
_ORIGINAL: dict[str, Any] = {"options": f"{_KEYS}:Original", "takes_data_dir": True}
_MNIST: dict[str, Any] = {"data": "image", "template": f"{_IMAGES}:MNIST_SPEC", **_ORIGINAL}
_TEXT: dict[str, Any] = {"data": "text", **_ORIGINAL}
_LABELLED: dict[str, Any] = {"data": "labelled_text", "takes_data_dir": True}

DATASETS: dict[str, DatasetEntry] = {
    # LeCun et al. 1998, section III.A: 20 × 20, placed in 28 × 28.
    "mnist": DatasetEntry(f"{_IMAGES}:load_mnist", **_MNIST, writing_box=20 / 28),
    "fashion_mnist": DatasetEntry(f"{_IMAGES}:load_fashion_mnist", **_MNIST),
    "digits": DatasetEntry(  # they fill all eight rows
        f"{_IMAGES}:load_digits", data="image", template=f"{_IMAGES}:DIGITS_SPEC", writing_box=1.0
    ),
    "ptb": DatasetEntry(f"{_TEXTS}:load_ptb", template=f"{_TEXTS}:PTB_SPEC", **_TEXT),
    "tiny_shakespeare": DatasetEntry(
        f"{_TEXTS}:load_tiny_shakespeare", template=f"{_TEXTS}:SHAKESPEARE_SPEC", has_last_tenth=True, **_TEXT
    ),
    "imdb": DatasetEntry(
        f"{_IMDB}:load_imdb", options=f"{_KEYS}:Imdb", template=f"{_IMDB}:SPEC", **_LABELLED
    ),
    "text": DatasetEntry(
        f"{_USER}.text_files:load_text", options=f"{_KEYS}:Text", data="text", takes_data_dir=True
    ),
    "labelled_text": DatasetEntry(
        f"{_USER}.labelled_texts:load_labelled_text", options=f"{_KEYS}:LabelledText", **_LABELLED
    ),
    "sequences": DatasetEntry(
        _SEQUENCES, options=f"{_KEYS}:Sequences", data="sequences", template=f"{_SYNTHETIC}:SEQUENCES_SPEC"
    ),
    "measurements": DatasetEntry(
        _SEQUENCES, data="sequences", template=f"{_SYNTHETIC}:MEASUREMENTS_SPEC", is_choice=False
    ),
    "idx": DatasetEntry(f"{_USER}.image_files:load_idx", options=f"{_KEYS}:Images", data="image"),
    "image_folder": DatasetEntry(
        f"{_USER}.image_files:load_image_folder",
        options=f"{_KEYS}:ImageFolder",
        data="image",
        takes_data_dir=True,
    ),
    "tfds": DatasetEntry(f"{_IMAGES}:load_tfds_images", data="image", takes_name=True, takes_data_dir=True),
    "synthetic": DatasetEntry(f"{_SYNTHETIC}:load_synthetic", options=f"{_KEYS}:Synthetic", data=None),
    "generated": DatasetEntry(f"{_SYNTHETIC}:load_generated", options=f"{_KEYS}:Generated", data="numbers"),
}
