"""Validation of specs, and of arrays against their spec."""

from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, create_model

from rnn_jax.datasets.dataset import Arrays, Dataset, Spec
from rnn_jax.datasets.vocabulary import Unit, Vocabulary
from rnn_jax.runtime.errors import UserError, shorten

_Count = Annotated[int, Field(ge=1, le=1 << 31)]
_Side = Annotated[int, Field(ge=1, le=1 << 14)]  # pixels
_Maximum = Annotated[int, Field(ge=1, le=255)]
_White = Annotated[int, Field(ge=1, le=65_535)]
_Means = list[Annotated[float, Field(gt=-3e38, lt=3e38)]]
_Deviations = list[Annotated[float, Field(gt=0, lt=3e38)]]
_TEXT = {"unit": Unit, "vocabulary": _Count}
_Shifts = (list[float] | None, None)  # not required
_SEQUENCES = {"features": _Count, "means": _Means, "deviations": _Deviations, "shifts": _Shifts}
_OUTPUTS = {
    "outputs": _Count,
    "target_means": _Means,
    "target_deviations": _Deviations,
    "target_shifts": _Shifts,
}
_KEYS: dict[str, dict[str, Any]] = {  # of the spec of each kind of data, with their types
    "image": {"height": _Side, "width": _Side, "classes": _Count, "maximum": _Maximum},
    "text": _TEXT,
    "labelled_text": {**_TEXT, "classes": _Count},
    "sequences": {**_SEQUENCES, **_OUTPUTS},
    "numbers": {},
}
_CLASSIFIED_SEQUENCES = {**_SEQUENCES, "classes": _Count}
_OPTIONAL = {"sixteen_bit_white": _White}
# The lists whose number of values is that of a key:
_LISTS = {
    "features": ("means", "deviations", "shifts"),
    "outputs": ("target_means", "target_deviations", "target_shifts"),
}


def check_spec(spec: Spec, classes: tuple[str, ...], vocabulary: Vocabulary | None, where: str) -> None:
    """Raise UserError if a spec (see `Dataset`) is invalid, or does not fit the class names or a vocabulary.

    `where` is the file or key that the spec is from.
    """
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        raise UserError(f"{where}: damaged: kind = {shorten(repr(kind))}: must be one of {', '.join(_KEYS)}")
    keys: dict[str, Any] = _CLASSIFIED_SEQUENCES if kind == "sequences" and "classes" in spec else _KEYS[kind]
    keys = keys | {key: value for key, value in _OPTIONAL.items() if key in spec}
    strict = ConfigDict(strict=True, allow_inf_nan=False)
    try:
        create_model("Spec", __config__=strict, **keys).model_validate(dict(spec))
    except ValidationError as error:
        first = error.errors()[0]
        key, value = ".".join(map(str, first["loc"])), str(first["input"])[:40]
        raise UserError(f"{where}: damaged: {key} = {value}: {first['msg']}") from None
    for size, lists in _LISTS.items():
        for key in lists:
            if key in keys and spec.get(key) is not None and (count := len(spec[key])) != spec[size]:
                raise UserError(f"{where}: damaged: {key} has {count} values: must be {size} = {spec[size]}")
    if kind != "text" and len(classes) != (count := spec.get("classes", 0)):
        raise UserError(f"{where}: damaged: has {len(classes):,} class names: must be classes = {count}")
    if vocabulary is not None and "unit" in spec:
        found, expected = f"{len(vocabulary):,} {vocabulary.unit}s", f"{spec['vocabulary']:,} {spec['unit']}s"
        if found != expected:
            raise UserError(f"{where}: damaged: the vocabulary has {found}: must be {expected}")


def check_arrays(data: Dataset, where: str) -> None:
    """Raise UserError if arrays differ from the spec in number, size or range.

    Later, an index out of range would not be noticed: on the device it reads the last element of an array.
    """
    check_spec(data.spec, data.classes, data.vocabulary, where)
    for split, arrays in data.splits.items():
        if problem := _find_problem(data.spec, arrays):
            raise UserError(f"{where}: damaged: {split} {problem}")


def _find_problem(spec: Spec, arrays: Arrays) -> str | None:
    examples = len(next(iter(arrays.values())))
    if not examples:
        return "is empty"
    if "inputs" in arrays and arrays["inputs"].shape[1:] != (spec["height"], spec["width"]):
        return f"has images of {arrays['inputs'].shape[1:]} pixels"
    if "lengths" in arrays:
        lengths, steps = arrays["lengths"], arrays["steps"]
        if int(lengths.min()) < 0 or int(lengths.sum(dtype=np.int64)) != len(steps):
            return f"has lengths that are not those of {len(steps):,} steps"
        if "features" in spec and (steps.shape[1:] != (spec["features"],) or not np.isfinite(steps).all()):
            return f"has steps that are not {spec['features']} finite numbers"
    tokens = arrays["steps" if "lengths" in arrays else "tokens"] if "vocabulary" in spec else None
    if tokens is not None and not _in_range(tokens, spec["vocabulary"]):
        return f"has a token that is not in 0 to {spec['vocabulary'] - 1:,}"
    return _find_problem_of_targets(spec, arrays["targets"], examples) if "targets" in arrays else None


def _find_problem_of_targets(spec: Spec, targets: np.ndarray, examples: int) -> str | None:
    if len(targets) != examples:
        return f"has {len(targets):,} targets for {examples:,} examples"
    if "classes" in spec and not _in_range(targets, spec["classes"]):
        return f"has a label that is not in 0 to {spec['classes'] - 1}"
    if "outputs" in spec and (targets.shape[1:] != (spec["outputs"],) or not np.isfinite(targets).all()):
        return f"has targets that are not {spec['outputs']} finite numbers"
    return None


def _in_range(numbers: np.ndarray, count: int) -> bool:
    return not numbers.size or (int(numbers.min()) >= 0 and int(numbers.max()) < count)
