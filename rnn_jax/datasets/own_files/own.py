"""One's own files: found, and what was made of them kept beside the other prepared data.

What is kept stands in a folder that is named by the SHA-256 of the files' contents and of how they are read,
so that two files are never taken for one another. It is written whole or not at all, and verified when it is
read.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rnn_jax.datasets import untrusted
from rnn_jax.datasets.dataset import SPLITS, Splits
from rnn_jax.datasets.published import builder, sources
from rnn_jax.runtime import lock
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

KEYS = {"train": "dataset.file", "validation": "dataset.validation_file", "test": "dataset.test_file"}
SHOWN = 12  # characters of a SHA-256 that are shown, as the version of the data

_logger = logging.getLogger(__name__)


def files(train: str | None, validation: str | None, test: str | None) -> dict[str, Path]:
    """The files that are given, by split.

    Raises:
        UserError: one does not exist.
    """
    given = {"train": train, "validation": validation, "test": test}
    return {split: existing(KEYS[split], name) for split, name in given.items() if name is not None}


def existing(key: str, name: str, *, folder: bool = False) -> Path:
    """The file, or folder, that a key names; raises UserError where there is none."""
    what = "folder" if folder else "file"
    problem, path = f"no such {what}", Path(name)
    try:
        path = path.expanduser()
        fits = path.is_dir() if folder else path.is_file()
        problem = None if fits else f"is no {what}" if path.exists() else problem
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, nobody's home, a zero byte
        problem = str(error)
    if problem is not None:
        raise UserError(f"{key} = {name}: {problem}; --config.{key}={what.upper()} names one of your own")
    return path


def digest_of(said: Any) -> str:
    """The SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def keep(kind: str, digest: str, data_dir: str | None, origin: str, make: Callable[[Path], None]) -> Path:
    """The folder of what was made of some files, which is made where that has not been done.

    Args:
        kind: what they are, 'text' for example.
        digest: a SHA-256 of all that what is made depends on.
        data_dir: the folder of prepared data; None: that of TFDS.
        origin: the files, to be shown.
        make: writes what is to be kept into a folder.

    Raises:
        UserError: what `make` raises; `data_dir` cannot be written; what was kept is damaged.
        StorageError: the disk is full.
    """
    root = builder.root_of(data_dir)
    folder = root / f"rnn_jax_{kind}" / digest
    if not folder.exists():
        with builder.storage(root), lock.taking_turns(root / f".rnn_jax_{kind}.lock"):
            if not folder.exists():  # by now another process may have made it
                _logger.info("reading %s, once", origin)
                _make(folder, make)
    _verify(folder)
    return folder


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
    unfinished.mkdir(parents=True)
    try:
        make(unfinished)
        digests = {file.name: sources.checksum(file) for file in sorted(unfinished.iterdir())}
        write_json(unfinished / "manifest.json", digests)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _verify(folder: Path) -> None:
    manifest = untrusted.read_json(folder / "manifest.json")
    kept = {file.name for file in folder.iterdir()} - {"manifest.json"}
    if kept != manifest.keys():
        differs = ", ".join(sorted(kept ^ manifest.keys())[:3])
        raise UserError(f"{folder}: damaged ({differs}); delete it, and the next run makes it anew")
    for file, digest in manifest.items():
        if sources.checksum(untrusted.inside(folder, folder / file)) != digest:
            raise UserError(f"{folder / file}: damaged; delete its folder, and the next run makes it anew")


def arrays_of(file: Path, names: Sequence[str]) -> Splits:
    """The arrays of these names of each split, from an `.npz` file that was kept.

    Raises:
        UserError: it is damaged, or lacks one.
    """
    found = untrusted.read_npz(file)
    missing = [f"{split}/{name}" for split in SPLITS for name in names if f"{split}/{name}" not in found]
    if missing:
        raise UserError(f"{file}: damaged: has no {missing[0]}")
    return {split: {name: found[f"{split}/{name}"] for name in names} for split in SPLITS}


def texts_of(file: Path, name: str) -> tuple[str, ...]:
    """The texts of that name from a JSON file that was kept; raises UserError where there are none."""
    found = untrusted.read_json(file).get(name)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise UserError(f"{file}: damaged: has no {name}")
    return tuple(found)
