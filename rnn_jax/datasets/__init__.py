"""Data sets: NumPy arrays in splits. `rnn_jax.catalogue.DATASETS` lists them by name.

`published/` prepares known data sets from their original files, `user_files/` reads a user's own files, and
`synthetic.py` needs no files. A new kind of data (`spec["kind"]`) also has a line in `catalogue/entry.py`, in
`synthetic.py` and in `specs.py`.
"""

from typing import Any

from rnn_jax.catalogue import DATASETS
from rnn_jax.datasets import specs
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.splitting import split_warnings
from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import UserError

__all__ = ["Dataset", "build_dataset"]


def build_dataset(*, name: str, batch_size: int, data_dir: str | None = None, **options: Any) -> Dataset:
    """Load a data set, and prepare it first if there is no prepared data.

    `name` is a key of `catalogue.DATASETS`, or `tfds:NAME`; `batch_size` the rows of a training batch;
    `data_dir` the folder of prepared data, None for TFDS's own. `options` are the other keys of the config
    section `dataset`; those of other data sets must be None. Raises UserError for wrong input, and data that
    is missing or invalid; StorageError if the disk is full.
    """
    key, _, other = name.partition(":")
    entry = DATASETS.get(key)
    if entry is None or not entry.is_choice or bool(other) != entry.takes_name:
        known = [known for known, entry in DATASETS.items() if entry.is_choice]
        raise UserError(f"dataset.name = {name}: unknown; must be one of {', '.join(known)} (as tfds:NAME)")
    own = entry.option_fields
    for option, value in options.items():
        if option not in own and value is not None:
            raise UserError(f"dataset.{option} = {value}: not a key of {name}")
    missing = [key for key, field in own.items() if field.is_required() and options.get(key) is None]
    if missing:
        raise UserError(f"dataset.name = {name}: needs {' and '.join(f'dataset.{key}' for key in missing)}")
    arguments = {key: options.get(key, field.get_default()) for key, field in own.items()}
    if entry.takes_data_dir:
        arguments["data_dir"] = data_dir
    if entry.takes_name:
        arguments["name"] = other
    data = entry.build(**arguments)
    specs.check_arrays(data, f"dataset.name = {name}")
    if entry.data in ("image", "labelled_text", "sequences") and arguments.get("validation_fold") is None:
        remedy = "; dataset.validation_folds=5 cross-validates" if "validation_folds" in own else ""
        for line in split_warnings(data, remedy):
            warn(line)
    if data.vocabulary is not None and data.vocabulary.is_unknown_alone:
        remedy = "use more texts, or dataset.tokenizer=characters"
        warn(f"every token is unknown, since no word of the training texts occurs twice: {remedy}")
    return data._replace(name=name, batch_size=batch_size)
