"""A config section is the keyword arguments of one builder."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from rnn_jax import datasets, models, tasks
from rnn_jax.checkpoints import retention
from rnn_jax.config.schema import KEYS, SECTIONS, Hyper
from rnn_jax.reporting.log import Log
from rnn_jax.runtime import devices

BUILDERS: dict[str, Callable[..., Any]] = {
    "dataset": datasets.build_dataset,
    "task": tasks.build_task,
    "model": models.build,
    "checkpoint": retention.build,
    "log": Log,
    "runtime": devices.build,
}


def keywords(builder: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(builder).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


# Where there is a table of builders, what they take together, beside what the table itself is asked with.
OF_DATA = {key for entry in datasets.DATASETS.values() for key in datasets.own_keys(entry)} - {"tfds_name"}
OF_TASKS = {key for name in tasks.TASKS for key in tasks.own_keys(name)}
OWN = {"dataset": OF_DATA, "task": OF_TASKS}


@pytest.mark.parametrize("section", BUILDERS)
def test_the_schema_equals_the_builders_signatures(section: str) -> None:
    hyper = {key for key in SECTIONS[section].model_fields if Hyper in KEYS[f"{section}.{key}"].metadata}
    expected = set(SECTIONS[section].model_fields) - hyper
    assert keywords(BUILDERS[section]) | OWN.get(section, set()) == expected


def test_the_choices_are_the_tables() -> None:
    from rnn_jax.config.messages import choices_of
    from rnn_jax.models.cells.table import CELLS
    from rnn_jax.models.classifier import POOLS

    tables = {
        "task.name": tasks.TASKS,
        "model.cell": CELLS,
        "model.pool": POOLS,
        "dataset.name": set(datasets.DATASETS) - {"tfds"},
        "dataset.template": datasets.DOUBLES,
    }
    for key, table in tables.items():
        assert set(choices_of(KEYS[key].annotation)) == set(table), key
