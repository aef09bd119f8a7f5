"""Completes the sections of a config by the catalogue: choices, conditions, and the options of entries."""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, create_model
from pydantic.fields import FieldInfo

from rnn_jax.catalogue import CELLS, DATASETS, TASKS, Entry, options_of
from rnn_jax.config.messages import KINDS, Prefix, choices_of, format_value, kind_of
from rnn_jax.config.rules import Only
from rnn_jax.config.sections.section import CatalogueName, Hyper, Section
from rnn_jax.runtime.errors import UserError

CATALOGUES: dict[str, Mapping[str, Entry]] = {
    "dataset.name": DATASETS,
    "task.name": TASKS,
    "model.cell": CELLS,
}
"""By the key that names an entry."""


def compose_section(section: str, model: type[Section]) -> type[Section]:
    """Complete the model of a section by the catalogue as it is now.

    Raises:
        UserError: the options of a registered entry cannot be keys of this section.
    """
    fields = {
        key: _completed(field, section)
        for key, field in model.model_fields.items()
        if any(isinstance(mark, CatalogueName) or _is_predicate(mark) for mark in field.metadata)
    }
    for naming_key, catalogue in CATALOGUES.items():
        if naming_key.startswith(f"{section}."):
            fields |= _option_fields(naming_key, catalogue, model)
    if not fields:
        return model
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)


def _completed(field: FieldInfo, section: str, *, optional: bool = False) -> Any:
    """The definition of a field, with its choices and conditions; `optional`: it may be None, by default."""
    annotation: Any = field.annotation
    marks: list[Any] = []
    for mark in field.metadata:
        if isinstance(mark, CatalogueName):
            annotation, prefixes = _choice(mark)
            marks += prefixes
            continue
        if _is_predicate(mark):
            catalogue = CATALOGUES[mark.key if "." in mark.key else f"{section}.{mark.key}"]
            kinds = tuple(name for name, entry in catalogue.items() if mark.kinds(entry))
            mark = mark._replace(kinds=kinds)
        marks.append(mark)
    default = None if optional else field.default
    annotation = annotation | None if optional else annotation
    return Annotated[annotation, *marks] if marks else annotation, Field(
        default, description=field.description
    )


def _is_predicate(mark: object) -> bool:
    return isinstance(mark, Only) and callable(mark.kinds)


def _choice(mark: CatalogueName) -> tuple[Any, list[Prefix]]:
    """The type of a key that names an entry."""
    entries = {name: entry for name, entry in mark.table.items() if mark.includes(entry)}
    prefixes = [name for name, entry in entries.items() if getattr(entry, "takes_name", False)]
    annotation: Any = Literal[tuple(name for name in entries if name not in prefixes)]
    for name in prefixes:
        annotation |= Annotated[str, StringConstraints(pattern=rf"^{name}:[\w./-]+$")]
    return annotation, [Prefix(f"{name}:") for name in prefixes]


def _option_fields(naming_key: str, catalogue: Mapping[str, Entry], model: type[Section]) -> dict[str, Any]:
    """The definitions of the keys that options bring: None where another entry is chosen."""
    section, _, name_key = naming_key.partition(".")
    names: dict[str, list[str]] = {}
    fields: dict[str, FieldInfo] = {}
    for name, entry in catalogue.items():
        for key, field in options_of(entry).items():
            if problem := _problem(key, field, fields.get(key), model, naming_key):
                raise UserError(f"{entry.origin}: the options of {name}: {key}: {problem}")
            names.setdefault(key, []).append(name)
            fields.setdefault(key, field)
    for key, field in fields.items():
        default = None if field.is_required() else field.default
        mark = Only(name_key, tuple(names[key]), required=not kind_of(field.annotation)[1], default=default)
        own = next((other for other in field.metadata if isinstance(other, Only)), None)
        if own is not None:  # the key depends on another key of the same options
            mark = own._replace(default=default)
        others = [other for other in field.metadata if other is not own]
        fields[key] = copy.copy(field)
        fields[key].metadata = [*others, mark]
    return {key: _completed(field, section, optional=True) for key, field in fields.items()}


def _problem(
    key: str, field: FieldInfo, other: FieldInfo | None, model: type[Section], naming_key: str
) -> str | None:
    """Why a field of some options cannot be a key of this section."""
    kind = kind_of(field.annotation)[0]
    if key in model.model_fields:
        return f"{naming_key.partition('.')[0]}.{key} is a key already"
    if kind not in KINDS and not choices_of(field.annotation):
        return f"must be a float, int, bool, str or Literal, or None, and is {format_value(kind)}"
    if not field.description:
        return "has no description"
    if Hyper in field.metadata and naming_key != "task.name":
        return "only options of tasks can be Hyper: a task's loss takes `hyper`"
    alike = other is None or all(
        getattr(field, name) == getattr(other, name)
        for name in ("annotation", "metadata", "default", "description")
    )
    return None if alike else "another entry has an option of that name, with another type or description"
