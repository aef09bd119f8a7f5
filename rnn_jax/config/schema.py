"""A whole config: its sections, its validation, and the numbers that the compiled step takes as arguments."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ml_collections import ConfigDict
from pydantic import ValidationError, create_model
from pydantic.fields import FieldInfo

from rnn_jax.config.composition import CATALOGUES, compose_section
from rnn_jax.config.config_files import defaults, with_defaults
from rnn_jax.config.messages import Problem, choices_of, expected, in_bounds, join_lines, nearest, nearest_key
from rnn_jax.config.rules import RULES, drop_inapplicable, fill_defaults
from rnn_jax.config.sections import Checkpoint, Dataset, Log, Model, Optimizer, Runtime, Task, Train
from rnn_jax.config.sections.section import Hyper, Section
from rnn_jax.config.values import flatten, overridden, plain
from rnn_jax.runtime.errors import UserError


class Config(Section):
    """A whole config, one section for each builder."""

    dataset: Dataset
    task: Task
    model: Model
    optimizer: Optimizer
    train: Train
    checkpoint: Checkpoint
    log: Log
    runtime: Runtime


SECTIONS = tuple(Config.model_fields)


class Examined(NamedTuple):
    """A config, None where it has problems; the notes on keys that were ignored; and all problems."""

    config: Any
    notes: list[str]
    problems: list[Problem]


def keys() -> dict[str, FieldInfo]:
    """All keys of a config, `section.key`, with their types, marks and descriptions.

    Raises UserError if the options of a registered entry cannot be keys of the section.
    """
    return _schema()[1]


def _schema() -> tuple[type[Config], dict[str, FieldInfo]]:
    """The model of a config and its keys, completed by the present entries of the catalogue."""
    return _compose(*(tuple(catalogue.items()) for catalogue in CATALOGUES.values()))


@lru_cache(maxsize=8)
def _compose(*entries: object) -> tuple[type[Config], dict[str, FieldInfo]]:
    del entries  # the catalogue now, by which what was composed is found again
    sections = {
        name: compose_section(name, field.annotation)
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type)
    }
    keys = flatten({name: section.model_fields for name, section in sections.items()})
    hyper = [key.partition(".")[2] for key, field in keys.items() if Hyper in field.metadata]
    if twice := [name for name in hyper if hyper.count(name) > 1]:
        raise UserError(f"two keys that are Hyper have the name {twice[0]}; rename the option")
    definitions: dict[str, Any] = {name: (section, ...) for name, section in sections.items()}
    return create_model("Config", __base__=Config, **definitions), keys


def validate(
    config: Mapping[str, Any] | ConfigDict, typed: Collection[str] = (), origin: str | None = None
) -> tuple[Config, list[str]]:
    """Complete a config by the defaults of `configs/base.py` and check it; see `check`."""
    return check(with_defaults(config), typed, origin)


def check(
    config: Mapping[str, Any] | ConfigDict, typed: Collection[str] = (), origin: str | None = None
) -> tuple[Config, list[str]]:
    """Return a config as it stands, checked, and the notes; an absent key is None, or an error.

    `typed` are the keys (`section.key`) that were given as overrides: one that does not apply to what is
    chosen is an error, where one from the file is ignored, with a note; and a typed key
    (`train.duration_steps`) replaces its counterpart in the file (`train.duration_epochs`). `origin` is the
    file of the other keys. Raises UserError, one line for each problem: the key, its value, what is allowed.
    """
    examined = examine(config, typed)
    if examined.problems:
        raise UserError(join_lines([problem.line(typed, origin, flag="") for problem in examined.problems]))
    return examined.config, examined.notes


def examine(config: Mapping[str, Any] | ConfigDict, typed: Collection[str]) -> Examined:
    """Check a config as it stands, and find all problems at once; see `check` for the arguments."""
    model, fields = _schema()
    sections, problems = plain(config), []
    for name, section in sections.items():
        if isinstance(section, dict):
            problems += [wrong_key(key) for key in flatten({name: section}) if key not in fields]
        else:
            problem = wrong_key(name)
            problems.append(problem._replace(value=section) if name in SECTIONS else problem)
    values = {key: value for key, value in flatten(sections).items() if key in fields}
    notes, found = drop_inapplicable(values, typed, fields, flatten(defaults()))
    fill_defaults(values, fields)
    given: dict[str, Any] = {name: {} for name in SECTIONS if isinstance(sections.get(name), dict)}
    checked = None
    try:
        checked = model.model_validate(overridden(given, values))
    except ValidationError as error:
        found += [_problem(item["type"], item["loc"], item["input"]) for item in error.errors()]
    found += [problem for rule in RULES for problem in rule(values, fields)]
    for problem in found:
        # One problem per key, and none of the keys of a section that has a problem itself.
        if not {problem.key, problem.key.partition(".")[0]} & {earlier.key for earlier in problems}:
            problems.append(problem)
    return Examined(None if problems else checked, notes, problems)


def wrong_key(key: str) -> Problem:
    """The problem of a key that the schema does not have; a section is none."""
    section = key.partition(".")[0]
    names = _names_in(section)
    if key == section and names:
        return Problem(key, f"is a section, with the keys {names}")
    if near := nearest_key(key, keys()):
        return Problem(key, f"no such key; did you mean {near}?")
    known = f"{section} has {names}" if names else f"the sections are {', '.join(SECTIONS)}"
    return Problem(key, f"no such key; {known}")


def _names_in(section: str) -> str:
    return ", ".join(key.partition(".")[2] for key in keys() if key.startswith(f"{section}."))


def _problem(kind: str, place: tuple[int | str, ...], value: Any) -> Problem:
    """An error of pydantic's in our words."""
    key = ".".join(str(part) for part in place[:2])
    field = keys().get(key)
    if field is None:
        return Problem(key, f"the whole section is missing; its keys are {_names_in(key)}")
    if kind == "missing":
        return Problem(key, f"must be given ({field.description}): {expected(field)}")
    is_out_of_range = kind.startswith(("greater_than", "less_than"))  # but of the right type
    message = f"must be {in_bounds(field) if is_out_of_range else expected(field)}"
    if isinstance(value, str) and (near := nearest(value, choices_of(field.annotation))):
        message += f"; did you mean {near}?"
    return Problem(key, message, value)


def split_hyper(config: Config) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """The sections without the keys marked `Hyper`, and those of them that are set, by their unique names."""
    sections = config.model_dump()
    hyper = {}
    for key, field in keys().items():
        section, _, name = key.partition(".")
        if Hyper in field.metadata and (value := sections[section].pop(name)) is not None:
            hyper[name] = value
    return sections, hyper
