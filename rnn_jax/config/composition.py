"""Completes the sections of a config by the catalogue: choices, conditions, and the options of entries."""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, create_model
from pydantic.fields import FieldInfo

from rnn_jax.catalogue import CELLS, DATASETS, TASKS
from rnn_jax.catalogue.entry import Entry
from rnn_jax.config.messages import KINDS, Prefix, choices_of, format_value, kind_of
from rnn_jax.config.rules import Only, only_of
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

    Raises UserError if the options of a registered entry cannot be keys of this section.
    """
    fields = {
        key: _completed(field, section)
        for key, field in model.model_fields.items()
        if any(isinstance(mark, CatalogueName | Only) for mark in field.metadata)
    }
    for naming_key, catalogue in CATALOGUES.items():
        if naming_key.startswith(f"{section}."):
            fields |= _option_fields(naming_key, catalogue, model)
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields) if fields else model


def _completed(field: FieldInfo, section: str, *, optional: bool = False) -> Any:
    """The definition of a field, with its choices and conditions; `optional`: it may be None, by default."""
    annotation: Any = field.annotation
    marks: list[Any] = []
    for mark in field.metadata:
        if isinstance(mark, CatalogueName):
            annotation, prefixes = _choice(mark)
            marks += prefixes
        elif isinstance(mark, Only):
            key, kinds = mark.key if "." in mark.key else f"{section}.{mark.key}", mark.kinds
            if callable(kinds):
                kinds = tuple(name for name, entry in CATALOGUES[key].items() if mark.kinds(entry))
            marks.append(mark._replace(key=key, kinds=kinds))
        else:
            marks.append(mark)
    if optional:
        annotation |= None
    completed = Field(None if optional else field.default, description=field.description)
    return Annotated[annotation, *marks] if marks else annotation, completed


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
    names: dict[str, list[str]] = {}
    fields: dict[str, FieldInfo] = {}
    for name, entry in catalogue.items():
        for key, field in entry.option_fields.items():
            if problem := _problem(key, field, fields.get(key), model, naming_key):
                raise UserError(f"{entry.origin}: the options of {name}: {key}: {problem}")
            names.setdefault(key, []).append(name)
            fields.setdefault(key, field)
    definitions = {}
    for key, field in fields.items():
        default = None if field.is_required() else field.default
        mark = Only(naming_key, tuple(names[key]), required=not kind_of(field.annotation)[1], default=default)
        own = only_of(field)
        if own is not None:  # the key depends on another key of the same options
            mark = own._replace(default=default)
        completed = copy.copy(field)
        completed.metadata = [*(other for other in field.metadata if other is not own), mark]
        definitions[key] = _completed(completed, naming_key.partition(".")[0], optional=True)
    return definitions


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
    facts = ("annotation", "metadata", "default", "description")
    if other is not None and any(getattr(field, fact) != getattr(other, fact) for fact in facts):
        return "another entry has an option of that name, with another type or description"
    return None
