"""A kind of files that are read as data, and what their readers share."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies
from spoiling import Change

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset

Files = Mapping[str, bytes]
Wrong = Mapping[str, Callable[[Files, int], Files]]


class Kind(NamedTuple):
    """A kind of files."""

    files: Files
    """By their names, the one that is spoilt first."""
    read: Callable[[Path], Any]
    """Reads a folder with such files."""
    also: Sequence[strategies.SearchStrategy[Change]] = ()
    """Changes that belong to such files."""
    within: Callable[[bytes, Change, int], bytes] = lambda data, change, number: change(data)
    """Changes what is packed inside, so that it is well packed again."""
    is_exact: bool = False
    """Whether checksums or the like show every change: it is refused, or nothing is different."""
    wrong: Wrong = MappingProxyType({})
    """Changes that must be refused, by their names; the number is any."""


def first_of(files: Files) -> str:
    """The name of the file that is spoilt."""
    return next(iter(files))


def change_first(files: Files, change: Change) -> Files:
    """The files, of which the first is changed."""
    return {**files, first_of(files): change(files[first_of(files)])}


def change_json(files: Files, change: Callable[[Any], Any]) -> Files:
    """The files, of which the first, a JSON file, says something else."""
    said = json.loads(files[first_of(files)])
    change(said)
    return {**files, first_of(files): json.dumps(said).encode()}


def check_dataset(data: Dataset) -> list[Any]:
    """Asserts that a data set makes sense; its arrays, to be compared."""
    found: list[Any] = [data.classes]
    for arrays in data.splits.values():
        first = next(iter(arrays.values()))
        assert len(first) > 0, "a split is empty"
        for name, array in arrays.items():
            if name == "targets" and "classes" in data.spec:
                assert 0 <= array.min() <= array.max() < data.spec["classes"], "a label is out of range"
            if name in ("targets", "lengths"):
                assert len(array) == len(first), "counts differ"
            assert np.isfinite(array).all(), "a number is not finite"
            found.append(array.tolist())
        if "steps" in arrays:
            assert arrays["lengths"].min() >= 0, "a negative length"
            assert int(arrays["lengths"].sum()) == len(arrays["steps"]), "lengths are not those of the steps"
    assert len(data.classes) == data.spec.get("classes", 0), "the classes are not as many as said"
    return found


def build(name: str, place: Path, **keys: Any) -> list[Any]:
    """Builds a data set from the files in a folder, and checks it."""
    data_dir = str(place.parent / "data")
    return check_dataset(datasets.build_dataset(name=name, batch_size=2, data_dir=data_dir, **keys))


def digest_of(read: Any) -> str:
    """What tells things that were read from others."""
    return hashlib.sha256(repr(read).encode("utf-8", "surrogatepass")).hexdigest()
