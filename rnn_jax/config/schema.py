"""A whole config: its sections together, how it is checked, and which numbers the compiled step takes."""

from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict
from pydantic.fields import FieldInfo

from rnn_jax.config.config_files import with_defaults
from rnn_jax.config.data_sections import Dataset, Model, Task
from rnn_jax.config.messages import told
from rnn_jax.config.section import Hyper, Section
from rnn_jax.config.training_sections import Checkpoint, Log, Optimizer, Runtime, Train
from rnn_jax.config.validation import examine
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


SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
KEYS: dict[str, FieldInfo] = {
    f"{section}.{key}": field
    for section, model in SECTIONS.items()
    for key, field in model.model_fields.items()
}


def validate(
    config: Mapping[str, Any] | ConfigDict, said: Collection[str] = (), origin: str | None = None
) -> tuple[Config, list[str]]:
    """Complete a config by the defaults of `configs/base.py` and check it; see `check`."""
    return check(with_defaults(config), said, origin)


def check(
    config: Mapping[str, Any] | ConfigDict, said: Collection[str] = (), origin: str | None = None
) -> tuple[Config, list[str]]:
    """Check a config as it stands; an absent key is None, or an error where it cannot be None.

    Args:
        config: sections of keys.
        said: the keys (`section.key`) that were typed on the command line. One that the chosen kind lacks is
            a mistake; one that comes from the file is passed over, with a note. Likewise a typed key
            (`train.duration_steps`) takes the place of its twin in the file (`train.duration_epochs`).
        origin: the file that the other keys come from, named in their mistakes.

    Returns:
        The config with every key, and the notes.

    Raises:
        UserError: one line for each mistake: the key, its value, what is allowed.
    """
    examined = examine(config, said, Config, KEYS)
    if examined.mistakes:
        raise UserError(told([mistake.line(said, origin) for mistake in examined.mistakes]))
    return Config.model_validate(examined.sections), examined.notes


def split_hyper(config: Config) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Takes the keys marked `Hyper` out of their sections.

    Returns:
        The sections without these keys, and the keys that are set, by their names (unique over all sections).
    """
    sections = config.model_dump()
    hyper = {}
    for key, field in KEYS.items():
        section, _, name = key.partition(".")
        if Hyper in field.metadata:
            value = sections[section].pop(name)
            hyper |= {} if value is None else {name: value}
    return sections, hyper
