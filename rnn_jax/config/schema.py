"""A whole config: its sections, its validation, and the numbers that the compiled step takes as arguments."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ml_collections import ConfigDict
from pydantic import create_model
from pydantic.fields import FieldInfo

from rnn_jax.config.composition import CATALOGUES, compose_section
from rnn_jax.config.config_files import with_defaults
from rnn_jax.config.messages import join_lines
from rnn_jax.config.sections import Checkpoint, Dataset, Log, Model, Optimizer, Runtime, Task, Train
from rnn_jax.config.sections.section import Hyper, Section
from rnn_jax.config.validation import Examined, examine_sections
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


class Schema(NamedTuple):
    """The sections as they are with the present entries of the catalogue."""

    config: type[Config]
    keys: dict[str, FieldInfo]
    """By `section.key` its type, marks and description."""


def schema() -> Schema:
    """Compose the sections with the catalogue: its names, and the keys of its entries' own.

    Raises:
        UserError: the options of a registered entry cannot be keys of the section.
    """
    return _compose(*(tuple(catalogue.items()) for catalogue in CATALOGUES.values()))


@lru_cache(maxsize=8)
def _compose(*entries: object) -> Schema:
    del entries  # the catalogue now, by which what was composed is found again
    sections = {
        name: compose_section(name, field.annotation)
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type)
    }
    keys = {
        f"{section}.{key}": field
        for section, model in sections.items()
        for key, field in model.model_fields.items()
    }
    hyper = [key.partition(".")[2] for key, field in keys.items() if Hyper in field.metadata]
    if twice := [name for name in hyper if hyper.count(name) > 1]:
        raise UserError(f"two keys that are Hyper have the name {twice[0]}; rename the option")
    definitions: dict[str, Any] = {name: (model, ...) for name, model in sections.items()}
    return Schema(create_model("Config", __base__=Config, **definitions), keys)


def keys() -> dict[str, FieldInfo]:
    """All keys of a config, `section.key`, with their types, marks and descriptions."""
    return schema().keys


def examine(config: Mapping[str, Any] | ConfigDict, typed: Collection[str]) -> Examined:
    """Check a config as it stands, and find all problems at once; see `check` for the arguments."""
    return examine_sections(config, typed, *schema())


def validate(
    config: Mapping[str, Any] | ConfigDict, typed: Collection[str] = (), origin: str | None = None
) -> tuple[Config, list[str]]:
    """Complete a config by the defaults of `configs/base.py` and check it; see `check`."""
    return check(with_defaults(config), typed, origin)


def check(
    config: Mapping[str, Any] | ConfigDict, typed: Collection[str] = (), origin: str | None = None
) -> tuple[Config, list[str]]:
    """Check a config as it stands; an absent key is None, or an error where it cannot be None.

    Args:
        config: sections of keys.
        typed: the keys (`section.key`) that were typed on the command line. A typed key that does not apply
            to what is chosen is an error, one from the file is ignored, with a note. A typed key
            (`train.duration_steps`) replaces its counterpart in the file (`train.duration_epochs`).
        origin: the file of the other keys, for messages.

    Returns:
        The config with every key, and the notes.

    Raises:
        UserError: one line for each problem: the key, its value, and what is allowed.
    """
    examined = examine(config, typed)
    if examined.problems:
        raise UserError(join_lines([problem.line(typed, origin) for problem in examined.problems]))
    return examined.config, examined.notes


def split_hyper(config: Config) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Separate the keys marked `Hyper` from their sections.

    Returns:
        The sections without these keys, and those of the keys that are set, by their names, which are unique.
    """
    sections = config.model_dump()
    hyper = {}
    for key, field in keys().items():
        section, _, name = key.partition(".")
        if Hyper in field.metadata:
            value = sections[section].pop(name)
            hyper |= {} if value is None else {name: value}
    return sections, hyper
