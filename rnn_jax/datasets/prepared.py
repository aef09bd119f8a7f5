"""Prepared data: folders of arrays that are made from original files once.

Data from a user's files is in a folder that is named by the SHA-256 of the contents of the files and of the
options they are read with: `<data_dir>/rnn_jax_<kind>/<SHA-256>`. It is written whole or not at all, and
verified whenever it is read. Data from published files is prepared in `published/builder.py`.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.datasets import archives
from rnn_jax.datasets.dataset import SPLITS, Splits
from rnn_jax.datasets.safe_reading import read_json, require_inside, sha256
from rnn_jax.runtime import files, lock
from rnn_jax.runtime.errors import StorageError, UserError

_VERSION_CHARACTERS = 12  # of the SHA-256
_logger = logging.getLogger(__name__)


def root_of(data_dir: str | None) -> Path:
    """Return the folder of prepared data, TFDS's own for None; raise UserError if it is not local."""
    if data_dir is None:  # as in TFDS, whose import takes a third of a second
        data_dir = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    if "://" in data_dir:
        raise UserError(f"dataset.data_dir = {data_dir}: must be a local folder")
    return files.user_path(data_dir, "dataset.data_dir")


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn errors of writing to the folder of prepared data into a UserError or StorageError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
            raise StorageError(f"dataset.data_dir = {root}: no space left on the disk") from error
        if isinstance(error, OSError):
            raise UserError(f"dataset.data_dir = {root}: cannot be written: {error.strerror}") from error
        raise  # TFDS's writers raise RuntimeError for a full disk; any other one is a bug


def digest_of(values: Any) -> str:
    """Return the SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def version_of(values: Any) -> str:
    """Return the version of data that depends on plain values: the start of their SHA-256."""
    return digest_of(values)[:_VERSION_CHARACTERS]


def prepare(
    kind: str, values: Any, data_dir: str | None, origin: str, write: Callable[[Path, str], None]
) -> tuple[Path, str]:
    """Return the folder and the version of data from a user's files, which is prepared if it is missing.

    The data depends on plain `values` alone. `write` writes it, with its version, into a folder; `origin` is
    a name of the files, for display. Raises UserError if `data_dir` cannot be written, or data is damaged.
    """
    root, digest, version = root_of(data_dir), digest_of(values), version_of(values)
    folder = root / f"rnn_jax_{kind}" / digest
    if not folder.exists():
        with writing(root), lock.waiting_lock(root / f".rnn_jax_{kind}.lock"):
            if not folder.exists():  # another process may have prepared it meanwhile
                _logger.info("preparing %s in %s, once", origin, folder)
                unfinished = folder.with_name(f"{digest}.unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)  # of a killed process
                unfinished.mkdir(parents=True)
                try:
                    write(unfinished, version)
                    digests = {file.name: sha256(file) for file in sorted(unfinished.iterdir())}
                    files.write_json(unfinished / "manifest.json", digests)
                    unfinished.rename(folder)
                finally:
                    shutil.rmtree(unfinished, ignore_errors=True)
    manifest = read_json(folder / "manifest.json")
    if differing := sorted({file.name for file in folder.iterdir()} ^ {*manifest, "manifest.json"}):
        names = ", ".join(differing[:3])
        raise UserError(f"{folder}: damaged ({names}); delete it, and the next run prepares it again")
    for file, expected in manifest.items():
        if sha256(require_inside(folder, folder / file)) != expected:
            raise UserError(f"{folder / file}: damaged; delete {folder}, and the next run prepares it again")
    return folder, version


def save_arrays(file: Path, splits: Splits) -> None:
    """Write the arrays of all splits to an `.npz` file, each as `split/name`, whole or not at all."""
    arrays: Any = {f"{split}/{name}": own[name] for split, own in splits.items() for name in own}
    with files.replacing(file) as unfinished:
        np.savez(unfinished, **arrays)


def load_arrays(file: Path, names: Sequence[str]) -> Splits:
    """Return the named arrays of every split; raise UserError if the file is damaged or lacks one.

    The last model of a cross-validation has no validation split.
    """
    arrays = archives.read_npz(file)
    present = {array.partition("/")[0] for array in arrays} | {"train", "test"}
    splits = [split for split in SPLITS if split in present]
    missing = [f"{split}/{name}" for split in splits for name in names if f"{split}/{name}" not in arrays]
    if missing:
        raise UserError(f"{file}: damaged: has no {missing[0]}")
    return {split: {name: arrays[f"{split}/{name}"] for name in names} for split in splits}


def load_strings(file: Path, name: str) -> tuple[str, ...]:
    """Return the list of strings with that name in a JSON file; raise UserError if there is none."""
    strings = read_json(file).get(name)
    if not isinstance(strings, list) or not all(isinstance(text, str) for text in strings):
        raise UserError(f"{file}: damaged: has no {name}")
    return tuple(strings)
