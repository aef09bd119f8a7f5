"""Validation of specs, and of arrays against their spec."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.vocabulary import Unit, Vocabulary
from rnn_jax.runtime.errors import UserError

_Count = Annotated[int, Field(ge=1, le=1 << 31)]
_Side = Annotated[int, Field(ge=1, le=1 << 14)]  # pixels
_Float32 = Annotated[float, Field(gt=-3e38, lt=3e38)]
_Scale = Annotated[float, Field(gt=0, lt=3e38)]


class _Spec(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Image(_Spec):
    height: _Side
    width: _Side
    classes: _Count
    maximum: Annotated[int, Field(ge=1, le=255)]


class _Text(_Spec):
    unit: Unit
    vocabulary: _Count


class _LabelledText(_Text):
    classes: _Count


class _Sequences(_Spec):
    features: _Count
    means: list[_Float32]
    deviations: list[_Scale]


class _ClassifiedSequences(_Sequences):
    classes: _Count


class _RegressedSequences(_Sequences):
    outputs: _Count
    target_means: list[_Float32]
    target_deviations: list[_Scale]


_MODELS: dict[str, type[_Spec]] = {
    "image": _Image,
    "text": _Text,
    "labelled_text": _LabelledText,
    "sequences": _RegressedSequences,
    "numbers": _Spec,
}
"""The keys of the spec of each kind of data."""
_LENGTHS = {
    "means": "features",
    "deviations": "features",
    "target_means": "outputs",
    "target_deviations": "outputs",
}


def check_spec(
    spec: Mapping[str, Any], classes: tuple[str, ...], vocabulary: Vocabulary | None, where: str
) -> None:
    """Raise UserError if a spec (see `Dataset`) is invalid, or does not fit the classes or the vocabulary.

    Args:
        spec: the spec, from a file that may be damaged.
        classes: the class names.
        vocabulary: the vocabulary; None: it is not checked.
        where: the file or key that the spec is from, for errors.
    """
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in _MODELS:
        raise UserError(f"{where}: damaged: kind = {kind!r}: must be one of {', '.join(_MODELS)}")
    model = _ClassifiedSequences if kind == "sequences" and "classes" in spec else _MODELS[kind]
    try:
        model.model_validate(dict(spec))
    except ValidationError as error:
        first = error.errors()[0]
        key, value = ".".join(map(str, first["loc"])), str(first["input"])[:40]
        raise UserError(f"{where}: damaged: {key} = {value}: {first['msg']}") from None
    for key in _LENGTHS.keys() & model.model_fields.keys():
        if len(spec[key]) != spec[_LENGTHS[key]]:
            raise UserError(
                f"{where}: damaged: {key} has {len(spec[key])} values: must be {_LENGTHS[key]} = "
                f"{spec[_LENGTHS[key]]}"
            )
    if kind != "text" and len(classes) != spec.get("classes", 0):
        raise UserError(
            f"{where}: damaged: has {len(classes):,} class names: must be classes = {spec.get('classes', 0)}"
        )
    if vocabulary is not None and "unit" in spec:
        found = f"{len(vocabulary):,} {vocabulary.unit}s"
        expected = f"{spec['vocabulary']:,} {spec['unit']}s"
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


def _find_problem(spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str | None:
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


def _find_problem_of_targets(spec: Mapping[str, Any], targets: np.ndarray, examples: int) -> str | None:
    if len(targets) != examples:
        return f"has {len(targets):,} targets for {examples:,} examples"
    if "classes" in spec and not _in_range(targets, spec["classes"]):
        return f"has a label that is not in 0 to {spec['classes'] - 1}"
    if "outputs" in spec and (targets.shape[1:] != (spec["outputs"],) or not np.isfinite(targets).all()):
        return f"has targets that are not {spec['outputs']} finite numbers"
    return None


def _in_range(numbers: np.ndarray, count: int) -> bool:
    return not numbers.size or (int(numbers.min()) >= 0 and int(numbers.max()) < count)
