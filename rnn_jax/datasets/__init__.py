"""Data sets: NumPy arrays in splits, made from original files, from a package, or drawn at random.

`build_dataset` takes the config's section `dataset` as its keyword arguments. A new data set is an `Entry` in
the table `DATASETS`, and its name and keys in the schema: `images.py` shows one from IDX files and one from a
package. A new kind of data (`spec["kind"]`) also has a line in `synthetic.py` and one in `specs.py`.
"""

import inspect
from typing import Any

from rnn_jax.datasets import generated, specs, synthetic, vocabulary
from rnn_jax.datasets.dataset import Dataset, Entry, Loaded
from rnn_jax.datasets.own_files import image_files, labelled_texts, sequences, text_files
from rnn_jax.datasets.published import images, imdb, texts, tfds_images
from rnn_jax.runtime.errors import UserError

__all__ = ["DATASETS", "Dataset", "build_dataset", "own_keys"]


def _load_synthetic(*, template: str | None, examples: int | None) -> Loaded:
    """A double of the data set `template`, with so many training examples; of a text, tokens."""
    if template is None or examples is None:
        raise UserError("dataset.name = synthetic: needs dataset.template and dataset.examples as well")
    if template not in DOUBLES:
        raise UserError(f"dataset.template = {template}: unknown; there are {', '.join(DOUBLES)}")
    spec = dict(DOUBLES[template])
    splits, known = synthetic.draw(spec, examples), None
    if "unit" in spec:
        known = vocabulary.made_up(str(spec["unit"]), int(spec["vocabulary"]))
    if template in DATASETS and DATASETS[template].has_last_tenth:
        splits = texts.with_last_tenth(splits)
    classes = tuple(str(number) for number in range(spec.get("classes", 0)))
    return Loaded(synthetic.VERSION, spec, splits, known, classes)


DATASETS: dict[str, Entry] = {
    "mnist": images.MNIST,
    "fashion_mnist": images.FASHION_MNIST,
    "digits": images.DIGITS,
    "ptb": texts.PTB,
    "tiny_shakespeare": texts.TINY_SHAKESPEARE,
    "imdb": imdb.IMDB,
    "text": Entry(text_files.load),
    "labelled_text": Entry(labelled_texts.load),
    "sequences": Entry(sequences.load),
    "idx": Entry(image_files.load_idx),
    "image_folder": Entry(image_files.load_folder),
    "tfds": Entry(tfds_images.load),
    "synthetic": Entry(_load_synthetic),
    "generated": Entry(generated.load),
}
"""Every value of `dataset.name`, where `tfds` stands for `tfds:NAME`: "synthetic" is a double of another one,
"generated" is drawn by the task."""

DOUBLES = {
    **{name: entry.spec for name, entry in DATASETS.items() if entry.spec is not None},
    **synthetic.SPECS,
}
"""By every value of `dataset.template` the spec of the double."""


def own_keys(entry: Entry) -> tuple[str, ...]:
    """The keys of the config section `dataset` that a data set is loaded by."""
    return tuple(inspect.signature(entry.load).parameters)


def build_dataset(*, name: str, batch_size: int, **options: Any) -> Dataset:
    """Loads the data set `name`, which prepares it first where that has not been done.

    Args:
        name: a key of `DATASETS`.
        batch_size: examples in a batch.
        options: the other keys of the config section `dataset`. Those that are not the data set's own must be
            None, `data_dir`, the folder of prepared data, apart.

    Raises:
        UserError: wrong input, or data that cannot be had, or is not what it should be.
        StorageError: the disk is full.
    """
    kind, _, rest = name.partition(":")
    if kind not in DATASETS or bool(rest) != (kind == "tfds"):
        raise UserError(f"dataset.name = {name}: unknown; there are {', '.join(DATASETS)} (as tfds:NAME)")
    entry = DATASETS[kind]
    keys, options = own_keys(entry), {**options, "tfds_name": rest or None}
    for key, value in options.items():
        if key not in keys and key != "data_dir" and value is not None:
            raise UserError(f"dataset.{key} = {value}: not for {name}")
    loaded = entry.load(**{key: options.get(key) for key in keys})
    specs.check_arrays(loaded, f"dataset.name = {name}")
    return Dataset(name=name, batch_size=batch_size, **loaded._asdict())
