"""Find all problems of a config at once: unknown keys, wrong values, and contradictions between keys."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict
from pydantic import BaseModel, ValidationError

from rnn_jax.config.config_files import defaults
from rnn_jax.config.messages import Problem, expected, nearest_key, wrong_value
from rnn_jax.config.rules import RULES, Fields, drop_inapplicable, fill_defaults
from rnn_jax.config.values import flatten, plain

OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
"""Pydantic's error types for a number of the right type."""


class Examined(NamedTuple):
    """A config, None where it has problems; the notes on keys that were ignored; and all problems."""

    config: Any
    notes: list[str]
    problems: list[Problem]


def examine_sections(
    config: Mapping[str, Any] | ConfigDict, typed: Collection[str], model: type[BaseModel], fields: Fields
) -> Examined:
    """Check a config against a schema.

    Args:
        config: sections of keys.
        typed: the keys (`section.key`) that were typed on the command line.
        model: the schema, a pydantic model of sections.
        fields: the schema's keys, `section.key`.
    """
    sections, problems = plain(config), []
    for name, section in sections.items():
        if isinstance(section, dict):
            problems += [
                wrong_key(f"{name}.{key}", fields) for key in section if f"{name}.{key}" not in fields
            ]
        else:
            problem = wrong_key(name, fields)
            problems.append(problem._replace(value=section) if name in model.model_fields else problem)
    values = {key: value for key, value in flatten(sections).items() if key in fields}
    notes, found = drop_inapplicable(values, typed, fields, flatten(defaults()))
    fill_defaults(values, fields)
    known = {name: {} for name in model.model_fields if isinstance(sections.get(name), dict)}
    for key, value in values.items():
        section, _, name = key.partition(".")
        if section in known:
            known[section][name] = value
    checked = None
    try:
        checked = model.model_validate(known)
    except ValidationError as error:
        found += [_problem(item["type"], item["loc"], item["input"], fields) for item in error.errors()]
    found += [problem for rule in RULES for problem in rule(values, fields)]
    for problem in found:
        # One problem per key, and none of the keys of a section that has a problem itself.
        if not {problem.key, problem.key.partition(".")[0]} & {earlier.key for earlier in problems}:
            problems.append(problem)
    return Examined(None if problems else checked, notes, problems)


def wrong_key(key: str, fields: Fields) -> Problem:
    """The problem of a key that the schema does not have; a section is none."""
    section = key.partition(".")[0]
    keys = _keys_of(section, fields)
    if key == section and keys:
        return Problem(key, f"is a section, with the keys {keys}")
    if near := nearest_key(key, fields):
        return Problem(key, f"no such key; did you mean {near}?")
    sections = ", ".join(dict.fromkeys(other.partition(".")[0] for other in fields))
    return Problem(key, f"no such key; {f'{section} has {keys}' if keys else f'the sections are {sections}'}")


def _keys_of(section: str, fields: Fields) -> str:
    return ", ".join(key.partition(".")[2] for key in fields if key.startswith(f"{section}."))


def _problem(kind: str, place: tuple[int | str, ...], value: Any, fields: Fields) -> Problem:
    """An error of pydantic's in our words."""
    key = ".".join(str(part) for part in place[:2])
    if kind != "missing":
        return wrong_value(key, fields[key], value, in_range=kind not in OUT_OF_RANGE)
    if key in fields:
        return Problem(key, f"must be given ({fields[key].description}): {expected(fields[key])}")
    return Problem(key, f"the whole section is missing; its keys are {_keys_of(key, fields)}")
