"""Preparation of published data sets with TensorFlow Datasets (TFDS), without TensorFlow.

`<data_dir>/rnn_jax_<name>/<version>/` has the data in TFDS's own format, for `tfds.data_source`, and
`arrays.npz`, the decoded arrays. 70,000 examples take seconds to read from the former, and a tenth of a
second from the latter, without importing TFDS. TFDS's stock builders need TensorFlow to decompress files and
to encode images; plain tensors in array_record files do not.
"""

import contextlib
import io
import logging
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.datasets import archives, prepared
from rnn_jax.datasets.dataset import Arrays, Splits
from rnn_jax.datasets.published import sources
from rnn_jax.datasets.published.sources import Feature, Source
from rnn_jax.datasets.safe_reading import read_json, require_inside
from rnn_jax.runtime import lock
from rnn_jax.runtime.errors import UserError

_logger = logging.getLogger(__name__)


def load_splits(source: Source, data_dir: str | None, manual_dir: str | None) -> Splits:
    """Load the arrays of a published data set's features, and prepare them if there is no prepared data.

    The examples of a ragged feature are concatenated; its name with `_lengths` has their lengths, int32
    [examples]. One process prepares under a lock; others that need the same data wait for it. Raises
    UserError for an invalid file, a failed download, and a `data_dir` that cannot be written.
    """
    root, folder = prepared.root_of(data_dir), folder_of(source, data_dir)
    files = sources.locate(source, manual_dir)
    if splits := _read_arrays(folder, source):
        return splits
    with prepared.writing(root), lock.waiting_lock(root / f".{_tfds_name(source)}.lock"):
        if splits := _read_arrays(folder, source):  # another process has written them meanwhile
            return splits
        if not folder.exists():
            files = files or sources.fetch(source, root / "downloads" / _tfds_name(source))
            _logger.info("preparing %s in %s, once", source.name, folder)
            _prepare(source, root, folder, files)
        splits = _read_prepared(source, folder)
        prepared.save_arrays(folder / "arrays.npz", splits)
    return splits


def folder_of(source: Source, data_dir: str | None) -> Path:
    """Return the folder of a data set's prepared data."""
    return prepared.root_of(data_dir) / _tfds_name(source) / source.version


def _tfds_name(source: Source) -> str:
    """Return a name of our own: a builder with the name of one of TFDS's would overwrite its folder."""
    return f"rnn_jax_{source.name}"


def _prepare(source: Source, root: Path, folder: Path, files: dict[str, Path]) -> None:
    """Write the data set in TFDS's format."""
    for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):  # of a killed process
        shutil.rmtree(leftover)
    splits = source.read(files)
    with quiet():
        import tensorflow_datasets as tfds

        features, items = tfds.features, source.features.items()
        tensors = {name: features.Tensor(shape=shape, dtype=dtype) for name, (shape, dtype) in items}

        class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            name = _tfds_name(source)
            VERSION = tfds.core.Version(source.version)

            def _info(self) -> tfds.core.DatasetInfo:
                return tfds.core.DatasetInfo(
                    builder=self,
                    description=source.description,
                    homepage=source.url,
                    features=features.FeaturesDict(tensors),
                    disable_shuffling=True,  # splits depend on the order of the files
                )

            def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
                del dl_manager  # the files are already verified
                return {split: self._generate_examples(arrays) for split, arrays in splits.items()}

            def _generate_examples(self, arrays: dict[str, np.ndarray]) -> Any:
                for index, values in enumerate(zip(*arrays.values(), strict=True)):
                    yield index, dict(zip(arrays, values, strict=True))

        Builder(data_dir=root).download_and_prepare(file_format="array_record")


def _read_prepared(source: Source, folder: Path) -> Splits:
    """Read the arrays from TFDS's format; raise UserError if it is damaged."""
    splits: Splits = {}
    check_features(folder)
    try:
        with quiet():
            import tensorflow_datasets as tfds

            builder: Any = tfds.builder_from_directory(folder)  # its decorators hide its signatures
            for split in builder.info.splits:
                records = builder.as_data_source(split)
                examples = records.__getitems__(range(len(records)))  # three times as fast as one by one
                splits[split] = {}
                for name, feature in source.features.items():
                    values = [example[name] for example in examples]
                    join = np.concatenate if feature.is_ragged else np.stack
                    # TFDS returns every integer as int64.
                    splits[split][name] = join(values).astype(feature.dtype, copy=False)
                    if feature.is_ragged:
                        lengths = [len(value) for value in values]
                        splits[split][f"{name}_lengths"] = np.array(lengths, np.int32)
    except Exception as error:  # the readers, partly in C++, raise errors of any type
        raise UserError(f"{folder}: damaged; delete it, and the next run prepares it again") from error
    return splits


def check_features(folder: Path) -> None:
    """Raise UserError if prepared data names classes other than TFDS's features, since TFDS imports them."""
    for file in sorted(folder.rglob("features.json")):
        for name in _class_names(read_json(file)):
            if not str(name).startswith("tensorflow_datasets.core.features."):
                raise UserError(f"{file}: damaged: {name!r} is not one of TFDS's features")


def _class_names(content: Any) -> Iterator[Any]:
    """Yield the class names anywhere in a features.json."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        if key in ("pythonClassName", "python_class_name", "type"):
            yield value
        elif isinstance(value, dict | list):
            yield from _class_names(value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress TFDS's progress bars, messages and warnings."""
    out, err = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with out, err, warnings.catch_warnings(action="ignore"):
        yield


def _read_arrays(folder: Path, source: Source) -> Splits | None:
    """Read `arrays.npz`; None if it is missing, or its checksums (of the zip), shapes or types are wrong."""
    path, splits = folder / "arrays.npz", dict[str, Arrays]()
    if not path.is_file():
        return None
    try:
        for key, array in archives.read_npz(require_inside(folder, path)).items():
            split, _, name = key.partition("/")
            splits.setdefault(split, {})[name] = array
    except UserError:
        return None
    return splits if all(_fits(arrays, source.features) for arrays in splits.values()) else None


def _fits(arrays: Arrays, features: dict[str, Feature]) -> bool:
    """Whether arrays have the shapes and types of the features, and the same number of examples."""
    expected = {name: (np.dtype(feature.dtype), feature.shape) for name, feature in features.items()}
    ragged = [name for name, feature in features.items() if feature.is_ragged]
    for name in ragged:
        expected[name] = (expected[name][0], features[name].shape[1:])
        expected[f"{name}_lengths"] = (np.dtype(np.int32), ())
    if expected != {name: (array.dtype, array.shape[1:]) for name, array in arrays.items()}:
        return False
    for name in ragged:
        lengths = arrays[f"{name}_lengths"]
        if (lengths < 0).any() or int(lengths.sum(dtype=np.int64)) != len(arrays[name]):
            return False
    return len({len(array) for name, array in arrays.items() if name not in ragged}) == 1
