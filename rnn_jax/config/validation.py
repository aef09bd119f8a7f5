"""Finds every mistake of a config at once: unknown keys, wrong values, and what the keys say together."""

from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict
from pydantic import BaseModel, ValidationError

from rnn_jax.config.config_files import defaults
from rnn_jax.config.messages import Mistake, expected, nearest_key, shown, wrong_value
from rnn_jax.config.rules import RULES, Fields, Sections, drop_inapplicable, fill_defaults
from rnn_jax.config.values import plain

# How pydantic names the mistakes of a number that is a number.
OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def examine_sections(
    config: Mapping[str, Any] | ConfigDict, said: Collection[str], model: type[BaseModel], fields: Fields
) -> tuple[BaseModel | None, list[str], list[Mistake]]:
    """Check a config against a schema.

    Args:
        config: sections of keys.
        said: the keys (`section.key`) that were typed on the command line.
        model: the schema, a pydantic model of sections.
        fields: the schema's keys, `section.key`.

    Returns:
        The config, None where it has mistakes; the notes on keys that were ignored; and all mistakes.
    """
    sections, mistakes = _known(plain(config), model.model_fields, fields)
    notes, refused = drop_inapplicable(sections, said, fields, defaults())
    fill_defaults(sections, fields)
    checked, later = _check_values(sections, model, fields)
    later += [mistake for rule in RULES for mistake in rule(sections, fields)]
    for mistake in refused + later:
        # One mistake per key; none of the keys of a section that is itself a mistake.
        if not {mistake.key, mistake.key.partition(".")[0]} & {earlier.key for earlier in mistakes}:
            mistakes.append(mistake)
    return None if mistakes else checked, notes, mistakes


def unknown_key(key: str, fields: Fields) -> Mistake:
    """The mistake of a key, or a section, that the schema does not have: the nearest, or what there is."""
    section = key.partition(".")[0]
    if near := nearest_key(key, fields):
        hint = f"did you mean {near}?"
    elif inside := _keys_of(section, fields):
        hint = f"{section} has {inside}"
    else:
        hint = f"the sections are {', '.join(dict.fromkeys(other.partition('.')[0] for other in fields))}"
    return Mistake(key, f"no such key; {hint}")


def no_key(section: str, fields: Fields, value: str | None = None) -> Mistake:
    """The mistake of taking a section for a key."""
    return Mistake(section, f"is a section, with the keys {_keys_of(section, fields)}", value)


def _keys_of(section: str, fields: Fields) -> str:
    return ", ".join(key.partition(".")[2] for key in fields if key.startswith(f"{section}."))


def _known(config: dict[str, Any], names: Collection[str], fields: Fields) -> tuple[Sections, list[Mistake]]:
    """The sections and keys that the schema knows, and a mistake for each that it does not."""
    sections: Sections = {}
    mistakes = []
    for name, section in config.items():
        if isinstance(section, dict):
            mistakes += [
                unknown_key(f"{name}.{key}", fields) for key in section if f"{name}.{key}" not in fields
            ]
            sections[name] = {key: value for key, value in section.items() if f"{name}.{key}" in fields}
        elif name in names:
            mistakes.append(no_key(name, fields, shown(section)))
        else:
            mistakes.append(unknown_key(name, fields))
    return {name: section for name, section in sections.items() if name in names}, mistakes


def _check_values(
    sections: Sections, model: type[BaseModel], fields: Fields
) -> tuple[BaseModel | None, list[Mistake]]:
    """The config of the sections, or what pydantic finds wrong with their values."""
    try:
        return model.model_validate(sections), []
    except ValidationError as error:
        return None, [
            _in_words(details["type"], details["loc"], details["input"], fields) for details in error.errors()
        ]


def _in_words(kind: str, place: tuple[int | str, ...], value: Any, fields: Fields) -> Mistake:
    key = ".".join(str(part) for part in place[:2])
    if kind != "missing":
        return wrong_value(key, fields[key], value, in_range=kind not in OUT_OF_RANGE)
    if key in fields:
        return Mistake(key, f"must be given ({fields[key].description}): {expected(fields[key])}")
    return Mistake(key, f"the whole section is missing; its keys are {_keys_of(key, fields)}")
