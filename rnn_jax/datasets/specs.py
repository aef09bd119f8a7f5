"""Whether what is said of a data set makes sense, and its arrays are as it says."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnn_jax.datasets.dataset import Loaded
from rnn_jax.datasets.vocabulary import UNITS, Vocabulary
from rnn_jax.runtime.errors import UserError

_LARGEST_SIDE = 1 << 14  # pixels
_MOST = 1 << 31
_LARGEST = 3e38  # of float32


def check(spec: Mapping[str, Any], classes: tuple[str, ...], known: Vocabulary | None, where: str) -> None:
    """Raises UserError where a spec (see `Loaded`) is none, or does not fit the classes or the vocabulary.

    Args:
        spec: of a data set.
        classes: their names.
        known: the vocabulary; None: it is not looked at.
        where: what is damaged then, to be shown.
    """
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UserError(f"{where}: damaged: its kind of data is {kind!r}")
    for key, fits in _KINDS[kind].items():
        if not fits(spec.get(key)):
            raise UserError(f"{where}: damaged: {key} is {str(spec.get(key))[:40]}")
    if kind == "sequences":
        _check_scales(spec, where)
    if "classes" in spec and not _whole(spec["classes"]):
        raise UserError(f"{where}: damaged: classes is {str(spec['classes'])[:40]}")
    if kind != "text" and len(classes) != spec.get("classes", 0):
        said = spec.get("classes", 0)
        raise UserError(f"{where}: damaged: has the names of {len(classes):,} classes, of {said}")
    if (
        known is not None
        and "unit" in spec
        and (known.unit, len(known)) != (spec["unit"], spec["vocabulary"])
    ):
        there, here = f"{len(known):,} {known.unit}s", f"{spec['vocabulary']:,} {spec['unit']}s"
        raise UserError(f"{where}: damaged: its vocabulary is of {there}, and should be of {here}")


def check_text(spec: Any, known: Vocabulary, where: str) -> None:
    """Raises UserError where a spec is not that of a text of this vocabulary."""
    if not isinstance(spec, dict) or spec.get("kind") != "text":
        raise UserError(f"{where}: damaged: it should be of a text")
    check(spec, (), known, where)


def _check_scales(spec: Mapping[str, Any], where: str) -> None:
    """Means and deviations there must be, as many as features, and as outputs."""
    wanted = {"means": "features", "deviations": "features"}
    if "classes" not in spec:
        wanted |= {"target_means": "outputs", "target_deviations": "outputs"}
    for name, many in wanted.items():
        values, count = spec.get(name), spec.get(many)
        lowest = 0.0 if "deviations" in name else -math.inf
        if not (
            _whole(count)
            and isinstance(values, list)
            and len(values) == count
            and all(_finite(value) and value > lowest for value in values)
        ):
            raise UserError(f"{where}: damaged: {name} should be {many} = {count!r} numbers")


def _whole(value: Any, most: int = _MOST) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _side(value: Any) -> bool:
    return _whole(value, _LARGEST_SIDE)


_TEXT: dict[str, Callable[[Any], bool]] = {"unit": lambda unit: unit in UNITS, "vocabulary": _whole}
_KINDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "image": {
        "height": _side,
        "width": _side,
        "classes": _whole,
        "maximum": lambda value: _whole(value, 255),
    },
    "labelled_text": {**_TEXT, "classes": _whole},
    "sequences": {"features": _whole},
    "text": _TEXT,
    "numbers": {},
}
"""What must be said of each kind of data."""


def check_arrays(loaded: Loaded, where: str) -> None:
    """Raises UserError where arrays are not what the spec says: of another count, size or range.

    What is out of range would not be noticed any more: an index beyond an array's end reads its last element.
    """
    spec = loaded.spec
    check(spec, loaded.classes, loaded.vocabulary, where)
    for split, arrays in loaded.splits.items():
        found = _problem(spec, arrays)
        if found is not None:
            raise UserError(f"{where}: damaged: {found} in {split}")


def _problem(spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str | None:
    examples = len(next(iter(arrays.values())))
    if not examples:
        return "nothing is"
    if "targets" in arrays:
        targets = arrays["targets"]
        if len(targets) != examples:
            return f"{len(targets):,} labels are for {examples:,} examples"
        if "classes" in spec and not _in_range(targets, spec["classes"]):
            return f"a label is outside 0 to {spec['classes'] - 1}"
        if "outputs" in spec and not (targets.shape[1:] == (spec["outputs"],) and np.isfinite(targets).all()):
            return "targets are no finite numbers"
    if "inputs" in arrays and arrays["inputs"].shape[1:] != (spec["height"], spec["width"]):
        return f"images are of {arrays['inputs'].shape[1:]} pixels"
    if "tokens" in arrays and not _in_range(arrays["tokens"], spec["vocabulary"]):
        return f"a token is outside 0 to {spec['vocabulary'] - 1:,}"
    return _problem_of_steps(spec, arrays) if "steps" in arrays else None


def _problem_of_steps(spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str | None:
    lengths, steps = arrays["lengths"], arrays["steps"]
    if int(lengths.min()) < 0 or int(lengths.sum(dtype=np.int64)) != len(steps):
        return f"lengths are not those of {len(steps):,} steps"
    if "vocabulary" in spec:
        return None if _in_range(steps, spec["vocabulary"]) else "a token is out of range"
    fits = steps.shape[1:] == (spec["features"],) and np.isfinite(steps).all()
    return None if fits else "steps are no finite numbers"


def _in_range(numbers: np.ndarray, count: int) -> bool:
    """Whether whole numbers are in 0 to `count` - 1."""
    return not numbers.size or (int(numbers.min()) >= 0 and int(numbers.max()) < count)
