"""A config section is the keyword arguments of one builder."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from rnn_jax import datasets, tasks
from rnn_jax.catalogue import CELLS, DATASETS, TASKS
from rnn_jax.catalogue.entry import resolve
from rnn_jax.config.schema import Hyper, keys
from rnn_jax.runtime import devices
from rnn_jax.runtime.processes import processes_of

BUILDERS: dict[str, Callable[..., Any]] = {
    "dataset": datasets.build_dataset,
    "task": tasks.build_task,
    "runtime": devices.build_devices,
}
REST = {"runtime": set(inspect.signature(processes_of).parameters)}
"""The keys that a builder passes on."""


def keywords(builder: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(builder).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def takes_rest(builder: Callable[..., Any]) -> bool:
    parameters = inspect.signature(builder).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


# The keys that the options of the catalogue's entries bring.
OPTIONS = {
    section: {key for entry in catalogue.values() for key in entry.option_fields}
    for section, catalogue in (("dataset", DATASETS), ("task", TASKS), ("model", CELLS))
}


@pytest.mark.parametrize("section", BUILDERS)
def test_the_schema_equals_the_builders_signatures(section: str) -> None:
    known = {key.partition(".")[2]: field for key, field in keys().items() if key.startswith(f"{section}.")}
    expected = {key for key, field in known.items() if Hyper not in field.metadata}
    options = {key for key in OPTIONS.get(section, ()) if key in expected}
    assert keywords(BUILDERS[section]) | REST.get(section, set()) | options == expected


def test_builders_take_the_options_of_their_entries() -> None:
    for entry in TASKS.values():
        options = {key for key, field in entry.option_fields.items() if Hyper not in field.metadata}
        assert keywords(resolve(entry.builder)) == options
    for entry in DATASETS.values():
        if entry.is_choice:
            given = [("data_dir", entry.takes_data_dir), ("name", entry.takes_name)]
            options = {*entry.option_fields, *(key for key, is_given in given if is_given)}
            builder = resolve(entry.builder)
            # Loaders of a user's files take the other keys together, as a section of the config.
            expected = options - set(entry.option_fields) if takes_rest(builder) else options
            assert keywords(builder) == expected
