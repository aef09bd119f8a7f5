"""A kind of data file, and functions that the kinds share."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from byte_changes import Change
from hypothesis import strategies

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.user_files.inputs import Input

Files = Mapping[str, bytes]
Changes = Mapping[str, Callable[[Files, int], Files]]


class Kind(NamedTuple):
    """A kind of data file: an example, its reader, and changes."""

    files: Files
    """The contents by name; the first file is the one to damage."""
    read: Callable[[Path], Any]
    """Read a folder with such files."""
    also: Sequence[strategies.SearchStrategy[Change]] = ()
    """Additional changes for such files."""
    within: Callable[[bytes, Change, int], bytes] = lambda data, change, number: change(data)
    """Apply a change to the decoded contents, and encode them again."""
    is_exact: bool = False
    """Whether every change is detected, for instance by a checksum: it is rejected or without effect."""
    wrong: Changes = MappingProxyType({})
    """Changes that must be rejected, by name; their integer argument is random."""
    other: Changes = MappingProxyType({})
    """Changes of several files that may be accepted."""
    predict: Callable[[Path], Any] | None = None
    """Read a folder with such files as `predict` does for a model that was trained on the example."""
    is_valid: bool = True
    """Whether the example is accepted."""


def first_of(files: Files) -> str:
    """Return the name of the file to damage."""
    return next(iter(files))


def change_first(files: Files, change: Change) -> Files:
    """Return the files with a change of the first."""
    return {**files, first_of(files): change(files[first_of(files)])}


def change_json(files: Files, change: Callable[[Any], Any]) -> Files:
    """Return the files with a change of the contents of the first, a JSON file."""
    content = json.loads(files[first_of(files)])
    change(content)
    return {**files, first_of(files): json.dumps(content).encode()}


def check_dataset(data: Dataset) -> list[Any]:
    """Assert that a data set is valid; return its classes and arrays for comparison."""
    found: list[Any] = [data.classes]
    for arrays in data.splits.values():
        first = next(iter(arrays.values()))
        assert len(first) > 0, "a split is empty"
        for name, array in arrays.items():
            if name == "targets" and "classes" in data.spec:
                assert 0 <= array.min() <= array.max() < data.spec["classes"], "a label is out of range"
            if name in ("targets", "lengths"):
                assert len(array) == len(first), "counts differ"
            assert np.isfinite(array).all(), "a value is not finite"
            found.append(array.tolist())
        _check_sizes(data.spec, arrays)
        if "steps" in arrays:
            assert arrays["lengths"].min() >= 0, "a negative length"
            assert int(arrays["lengths"].sum()) == len(arrays["steps"]), (
                "the lengths do not sum to the number of steps"
            )
    assert len(data.classes) == data.spec.get("classes", 0), "the number of classes is not that of the spec"
    return found


def _check_sizes(spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Assert that the arrays of a split have the types and shapes of their spec."""
    if "height" in spec:
        inputs = arrays["inputs"]
        assert inputs.dtype == np.uint8, "images are not uint8"
        assert inputs.shape[1:] == (spec["height"], spec["width"]), "images have another size"
    if "features" in spec:
        steps, deviations = arrays["steps"], np.array(spec["deviations"])
        assert steps.dtype == np.float32, "steps are not float32"
        assert steps.shape[1:] == deviations.shape == (spec["features"],), "steps have other features"
        assert (deviations > 0).all(), "a standard deviation is not positive"
        standardized = (steps - np.array(spec["means"], np.float32)) / deviations.astype(np.float32)
        assert np.isfinite(standardized).all(), "a standardized value is not finite"
    if "outputs" in spec:
        assert arrays["targets"].shape[1:] == (spec["outputs"],), "targets have other outputs"
    if "vocabulary" in spec:
        tokens = arrays["steps" if "steps" in arrays else "tokens"]
        assert 0 <= tokens.min() <= tokens.max() < spec["vocabulary"], "a token is out of range"


def check_inputs(folder: Path, blocks: Iterable[list[Input]], fits: Callable[[np.ndarray], bool]) -> int:
    """Assert that each input from a folder has a value that fits or a short error; count the former."""
    values = 0
    for each in (each for block in blocks for each in block):
        assert (each.value is None) != (each.error is None), "neither a value nor an error"
        if each.value is not None:
            assert fits(each.value), f"a value of shape {each.value.shape} and type {each.value.dtype}"
            values += 1
        else:
            error = str(each.error)
            assert error.count("\n") < 2, f"a message of many lines: {error[:2_000]}"
            assert len(error) < 1_000, f"a long message: {error[:2_000]}"
            is_named = str(folder) in error or repr(each.name)[:40] in error
            assert is_named, f"a message without its file: {error}"
    return values


def build(name: str, place: Path, **keys: Any) -> list[Any]:
    """Build a data set from the files in a folder, and check it."""
    data_dir = str(place.parent / "data")
    return check_dataset(datasets.build_dataset(name=name, batch_size=2, data_dir=data_dir, **keys))


def digest_of(read: Any) -> str:
    """Return a digest of a value that was read."""
    return hashlib.sha256(repr(read).encode("utf-8", "surrogatepass")).hexdigest()
