"""Prepares data sets with TensorFlow Datasets (TFDS), without TensorFlow, and loads what was prepared.

Preparation writes `<data_dir>/rnn_jax_<name>/<version>/` in TFDS's own format (`tfds.data_source` reads it),
and in the same folder `arrays.npz`, the decoded arrays. From the former 70,000 examples take seconds to read,
from the latter a tenth of one, and TFDS need not be imported. TFDS's stock builders need TensorFlow to unpack
files and to encode images; plain tensors in array_record files do not.
"""

import contextlib
import errno
import io
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.datasets import untrusted
from rnn_jax.datasets.dataset import Splits
from rnn_jax.datasets.published import download, sources
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.runtime import lock
from rnn_jax.runtime.errors import StorageError, UserError

_logger = logging.getLogger(__name__)


def load(source: Source, data_dir: str | None, manual_dir: str | None) -> Splits:
    """Loads a data set from its prepared data, preparing that first where it does not exist.

    One process prepares, under a lock; others that want the same data wait for it.

    Args:
        source: the data set.
        data_dir: the folder of prepared data; None: that of TFDS.
        manual_dir: a folder with the original files, or None (see `sources.locate`).

    Returns:
        The splits and arrays of the features. One whose first axis is of any length comes as what all
        examples have, one after another, and its name with `_lengths` behind it: int32 [examples].

    Raises:
        UserError: a file is wrong, the data cannot be had, or `data_dir` cannot be written.
        StorageError: the disk is full.
    """
    root, folder = root_of(data_dir), folder_of(source, data_dir)
    files = sources.locate(source, manual_dir)
    splits = _read_arrays(folder, source)
    if splits is None:
        with storage(root), lock.taking_turns(root / f".{_name(source)}.lock"):
            splits = _read_arrays(folder, source)  # by now another process may have written them
            if splits is None:
                splits = _make_arrays(source, root, folder, files)
    return splits


def root_of(data_dir: str | None) -> Path:
    """The folder of prepared data; raises UserError where it is not a local one."""
    if data_dir is None:  # as TFDS has it, which takes a third of a second to import
        data_dir = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    if "://" in data_dir:
        raise UserError(f"dataset.data_dir = {data_dir}: must be a local folder")
    return Path(os.path.expanduser(data_dir))


def folder_of(source: Source, data_dir: str | None) -> Path:
    """The folder of a data set's prepared data."""
    return root_of(data_dir) / _name(source) / source.version


def _name(source: Source) -> str:
    """The name in TFDS: one of ours, since a builder named as TFDS's own would spoil its folder."""
    return f"rnn_jax_{source.name}"


def _make_arrays(source: Source, root: Path, folder: Path, files: dict[str, Path] | None) -> Splits:
    if not folder.exists():
        if files is None:
            files = download.fetch(source, root / "downloads" / _name(source))
        _logger.info("preparing %s in %s, once", source.name, folder)
        _prepare(source, root, folder, files)
    splits = _read_prepared(source, folder)
    _write_arrays(folder, splits)
    return splits


def _prepare(source: Source, root: Path, folder: Path, files: dict[str, Path]) -> None:
    """Writes the data set in TFDS's format."""
    for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):  # of a preparation that was killed
        shutil.rmtree(leftover)
    splits = source.read(files)
    with quiet():
        import tensorflow_datasets as tfds

        class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            name = _name(source)
            VERSION = tfds.core.Version(source.version)

            def _info(self) -> tfds.core.DatasetInfo:
                features = {
                    name: tfds.features.Tensor(shape=feature.shape, dtype=feature.dtype)
                    for name, feature in source.features.items()
                }
                return tfds.core.DatasetInfo(
                    builder=self,
                    description=source.description,
                    homepage=source.url,
                    features=tfds.features.FeaturesDict(features),
                    disable_shuffling=True,  # the order of the files is part of what a split is
                )

            def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
                del dl_manager  # the files are here, and verified
                return {split: self._generate_examples(arrays) for split, arrays in splits.items()}

            def _generate_examples(
                self, arrays: dict[str, np.ndarray]
            ) -> Iterator[tuple[int, dict[str, Any]]]:
                for index, values in enumerate(zip(*arrays.values(), strict=True)):
                    yield index, dict(zip(arrays, values, strict=True))

        Builder(data_dir=root).download_and_prepare(file_format="array_record")


def _read_prepared(source: Source, folder: Path) -> Splits:
    """Reads the arrays of what `_prepare` wrote; raises UserError where that is damaged."""
    splits: Splits = {}
    check_features(folder)
    try:
        with quiet():
            import tensorflow_datasets as tfds

            builder: Any = tfds.builder_from_directory(folder)  # its decorators hide its signatures
            for split in builder.info.splits:
                records = builder.as_data_source(split)
                examples = records.__getitems__(range(len(records)))  # all at once is three times as fast
                splits[split] = {}
                for name, feature in source.features.items():
                    values = [example[name] for example in examples]
                    together = np.concatenate if feature.is_ragged else np.stack
                    # The cast: TFDS returns every integer of its own as int64.
                    splits[split][name] = together(values).astype(feature.dtype, copy=False)
                    if feature.is_ragged:
                        splits[split][f"{name}_lengths"] = np.array(
                            [len(value) for value in values], np.int32
                        )
    except Exception as error:  # the readers, in C++ some of them, raise what they like
        raise UserError(f"{folder}: damaged; delete it, and the next run prepares it anew") from error
    return splits


def check_features(folder: Path) -> None:
    """Raises UserError where a folder of prepared data names other classes than TFDS's own.

    TFDS imports the modules of those that features.json names.
    """
    for file in sorted(folder.rglob("features.json")):
        for name in _classes(untrusted.read_json(file)):
            if not str(name).startswith("tensorflow_datasets.core.features."):
                raise UserError(f"{file}: damaged: {name!r} is none of TFDS's features")


def _classes(content: Any) -> Iterator[Any]:
    """The names of classes in a features.json, wherever they stand."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in ("pythonClassName", "python_class_name", "type"):
                yield value
            else:
                yield from _classes(value)
    elif isinstance(content, list):
        for value in content:
            yield from _classes(value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS's progress bars, messages and warnings from the person who runs a command."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _write_arrays(folder: Path, splits: Splits) -> None:
    """Writes the cache, whole or not at all."""
    partial = folder / "arrays.npz.partial"
    arrays: dict[str, Any] = {
        f"{split}/{name}": array for split, named in splits.items() for name, array in named.items()
    }
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / "arrays.npz")
    finally:
        partial.unlink(missing_ok=True)


def _read_arrays(folder: Path, source: Source) -> Splits | None:
    """Reads the cache. None where there is none, or its checksums (a zip file's own) or types are wrong."""
    path = folder / "arrays.npz"
    splits: Splits = {}
    if not path.is_file():
        return None
    try:
        for key, array in untrusted.read_npz(untrusted.inside(folder, path)).items():
            split, _, name = key.partition("/")
            splits.setdefault(split, {})[name] = array
    except UserError:
        return None
    if all(_fits(arrays, source.features) for arrays in splits.values()):
        return splits or None
    return None


def _fits(arrays: dict[str, np.ndarray], features: dict[str, Feature]) -> bool:
    """Whether arrays have the shapes and types of the features."""
    expected = {}
    for name, feature in features.items():
        expected[name] = (np.dtype(feature.dtype), feature.shape[1:] if feature.is_ragged else feature.shape)
        if feature.is_ragged:
            expected[f"{name}_lengths"] = (np.dtype(np.int32), ())
    found = {name: (array.dtype, array.shape[1:]) for name, array in arrays.items()}
    return expected == found and len({_examples(name, arrays, features) for name in features}) == 1


def _examples(name: str, arrays: dict[str, np.ndarray], features: dict[str, Feature]) -> int | None:
    """How many examples an array has; None where what it has is not what its lengths say."""
    if not features[name].is_ragged:
        return len(arrays[name])
    lengths = arrays[f"{name}_lengths"]
    whole = bool((lengths >= 0).all()) and int(lengths.sum(dtype=np.int64)) == len(arrays[name])
    return len(lengths) if whole else None


@contextlib.contextmanager
def storage(root: Path) -> Iterator[None]:
    """Says clearly that the folder of prepared data cannot be written, or that its disk is full."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
            raise StorageError(f"dataset.data_dir = {root}: no space is left on its disk") from error
        if isinstance(error, OSError):
            raise UserError(f"dataset.data_dir = {root}: cannot be written: {error.strerror}") from error
        raise  # TFDS's writers raise RuntimeError for a full disk; any other one is a bug
