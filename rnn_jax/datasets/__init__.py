"""Data sets: NumPy arrays in splits, made from original files, from a package, or drawn at random.

`build` takes the config's section `dataset` as its keyword arguments. A new data set is an `Entry` in the
table `DATASETS`: `images.py` shows one from IDX files and one from a package. A new kind of data
(`spec["kind"]`) has a file of its own beside `images.py`, and a line in `synthetic.py`.
"""

from rnn_jax.datasets import generated, images, synthetic
from rnn_jax.datasets.dataset import Dataset, Entry
from rnn_jax.runtime.errors import UserError

__all__ = ["DATASETS", "NAMES", "Dataset", "build"]

# The data sets with data of their own.
DATASETS: dict[str, Entry] = {"mnist": images.MNIST, "digits": images.DIGITS}
# Every value of `dataset.name`: "synthetic" is a double of any of the above, "generated" is drawn by the
# task.
NAMES = (*DATASETS, "synthetic", "generated")


def build(
    *,
    name: str,
    batch_size: int,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    like: str | None = None,
    examples: int | None = None,
) -> Dataset:
    """Loads the data set `name`, which prepares it first where that has not been done.

    Args:
        name: a key of `DATASETS`, "synthetic" or "generated".
        batch_size: examples in a batch.
        data_dir: the folder of prepared data; None: that of TensorFlow Datasets.
        manual_dir: a folder with the original files, which are used instead of a download. None: the folder
            `$RNN_JAX_DATA/<name>` where it has them, then prepared data, then a download.
        like: for "synthetic", the data set whose spec it has.
        examples: for "synthetic" and "generated", the number of training examples.

    Raises:
        UserError: wrong input, or data that cannot be had.
        StorageError: the disk is full.
    """
    if name == "generated":
        if examples is None:
            raise UserError("dataset.name = generated: needs dataset.examples as well")
        return Dataset(name, generated.VERSION, dict(generated.SPEC), generated.number(examples), batch_size)
    if name == "synthetic":
        if like is None or examples is None:
            raise UserError("dataset.name = synthetic: needs dataset.like and dataset.examples as well")
        entry = _entry("like", like)
        splits = synthetic.draw(entry.spec, examples)
        return Dataset(name, synthetic.VERSION, dict(entry.spec), splits, batch_size)
    entry = _entry("name", name)
    return Dataset(name, entry.version, dict(entry.spec), entry.load(data_dir, manual_dir), batch_size)


def _entry(key: str, value: str) -> Entry:
    if value not in DATASETS:
        choices = NAMES if key == "name" else DATASETS
        raise UserError(f"dataset.{key} = {value}: unknown; there are {', '.join(choices)}")
    return DATASETS[value]
