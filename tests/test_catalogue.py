"""The catalogue: its facts are correct, and registering an entry from outside checks it."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from rnn_jax.catalogue import CELLS, DATASETS, TASKS, register_cell, register_dataset, register_task
from rnn_jax.catalogue.entry import resolve
from rnn_jax.config.command_line import load_config
from rnn_jax.config.schema import Hyper, keys, split_hyper, validate
from rnn_jax.runtime.errors import UserError
from rnn_jax.training.build import build

pytestmark = pytest.mark.usefixtures("unregistered")

CONFIGS = {
    "classification": "configs/digits.py:smoke",
    "text_classification": "configs/imdb.py:smoke",
    "sequence_classification": "configs/sequences.py:smoke",
    "sequence_regression": "configs/sequences.py:regression,smoke",
    "adding": "configs/adding.py:smoke",
    "copying": "configs/copying.py:smoke",
    "language_modelling": "configs/shakespeare.py:smoke",
}


def test_every_path_of_the_catalogue_resolves() -> None:
    for entry in [*CELLS.values(), *TASKS.values(), *DATASETS.values()]:
        assert callable(resolve(entry.builder))
        assert isinstance(entry.option_fields, dict)
    for entry in DATASETS.values():
        template = resolve(entry.template)
        assert template is None or template["kind"] == entry.data


@pytest.mark.parametrize("name", TASKS)
def test_the_facts_of_a_task(name: str) -> None:
    entry, config = TASKS[name], validate(load_config(CONFIGS[name]))[0]
    assert config.task.name == name
    task = build(config).task
    assert ("vocabulary" in task.spec) == (entry.reads == "tokens")
    assert task.spec["head"] == entry.predicts
    assert ("accuracy" in task.metrics) == entry.has_accuracy
    assert (task.carry_rows is not None) == entry.language_model
    steps_key = entry.steps_key
    assert steps_key in keys()
    if isinstance(entry.steps, dict):
        assert set(entry.steps) == {"rows", "pixels"}


# Registration ----------------------------------------------------------------------------------------------


CELL: dict[str, Any] = {"builder": "flax.linen:GRUCell", "gates": 3}
TASK: dict[str, Any] = {
    "builder": "rnn_jax.tasks.classification:build_classification",
    "data": "image",
    "reads": "features",
    "predicts": "sequence",
}
DATASET: dict[str, Any] = {"builder": "rnn_jax.datasets.synthetic:load_generated", "data": "numbers"}


@pytest.mark.parametrize(
    ("register", "name", "facts", "lines"),
    [
        (register_cell, "lstm", CELL, ["register_cell('lstm'): the name is taken, by rnn_jax"]),
        (register_task, "adding", TASK, ["register_task('adding'): the name is taken, by rnn_jax"]),
        (register_dataset, "mnist", DATASET, ["register_dataset('mnist'): the name is taken, by rnn_jax"]),
        (register_cell, "a:b", CELL, ["('a:b'): the name must consist of letters, digits and underscores"]),
        (register_cell, "a", {"builder": "flax.linen:GRUCell"}, ["register_cell('a'): gates: missing"]),
        (register_task, "a", {"builder": TASK["builder"]}, ["data: miss", "reads: miss", "predicts: miss"]),
        (register_dataset, "a", {"builder": DATASET["builder"]}, ["data: missing"]),
        (
            register_cell,
            "a",
            CELL | {"gates": "three", "kernels": 3},
            [
                "gates = 'three': Input should be a valid integer",
                "kernels: no such fact; it has options, gates",
            ],
        ),
        (register_task, "a", TASK | {"data": "images"}, ["data = 'images': Input should be 'image', 'label"]),
        (register_cell, "a", CELL | {"builder": 3}, ["builder = 3: Input should be a valid string"]),
        (register_cell, "a", CELL | {"builder": "GRU"}, ["builder = 'GRU': must be 'module:name'"]),
        (
            register_cell,
            "a",
            CELL | {"builder": "no.where:GRU", "options": "json:nothing"},
            [
                "builder = 'no.where:GRU': there is no module no.where",
                "options = 'json:nothing': json does not",
            ],
        ),
        (
            register_dataset,
            "a",
            DATASET | {"template": "rnn_jax.datasets.nothing:SPEC"},
            ["template = 'rnn_jax.datasets.nothing:SPEC': there is no module rnn_jax.datasets.nothing"],
        ),
    ],
)
def test_wrong_registrations(register: Any, name: str, facts: dict[str, Any], lines: list[str]) -> None:
    """The error lists all mistakes at once, and the catalogue does not change."""
    before = [dict(table) for table in (CELLS, TASKS, DATASETS)]
    with pytest.raises(UserError) as caught:
        register(name, **facts)
    found = str(caught.value).splitlines()
    assert len(found) == len(lines)
    assert all(line in text for line, text in zip(lines, found, strict=True))
    assert before == [CELLS, TASKS, DATASETS]


def test_the_same_file_may_register_again() -> None:
    register_cell("mine", **CELL)
    other: dict[str, Any] = {**CELL, "gates": 4}
    register_cell("mine", **other)
    assert (CELLS["mine"].gates, CELLS["mine"].origin) == (4, __name__)


# Options ---------------------------------------------------------------------------------------------------


class Mine(BaseModel):
    """The keys of a custom task."""

    order: Literal["forward", "backward"] = Field("forward", description="the order of the pixels")
    margin: Annotated[float, Hyper] = Field(0.5, ge=0, description="margin of the loss")
    depth: int = Field(ge=1, description="a key without a default")


def config_of(**task: object) -> dict[str, Any]:
    config = load_config("configs/digits.py:smoke").to_dict()
    config["task"] |= {"name": "mine", **task}
    return config


def test_options_are_keys_with_defaults_and_conditions() -> None:
    register_task("mine", **TASK | {"options": Mine})
    config, notes = validate(config_of(depth=3))
    assert (config.task.order, config.task.margin, config.task.depth) == ("forward", 0.5, 3)
    assert notes == ["task.shift_pixels ignored: task.name is mine"]
    sections, hyper = split_hyper(config)
    assert (sections["task"]["order"], hyper["margin"]) == ("forward", 0.5)
    assert "margin" not in sections["task"]
    with pytest.raises(UserError, match=r"^task\.depth: must be given where task\.name is mine"):
        validate(config_of())
    with pytest.raises(UserError, match=r"task\.order = 'back': must be one of forward, backward, or None"):
        validate(config_of(depth=3, order="back"))
    _, notes = validate(config_of(name="classification", depth=3))
    assert notes == ["task.depth ignored: task.name is classification"]
    del TASKS["mine"]
    with pytest.raises(UserError, match=r"task\.depth: no such key"):
        validate(config_of(name="classification", depth=3))


def test_a_name_from_outside_is_a_choice_under_the_same_conditions() -> None:
    facts: dict[str, Any] = {**CELL, "state_kernels": ("h",)}
    register_cell("mine", **facts)
    typed = {"model.cell": "mine", "model.recurrent_dropout": 0.1}
    model = load_config("configs/digits.py:smoke", typed).to_dict()["model"]
    assert (model["recurrent_init"], model["forget_bias"]) == ("orthogonal", None)
    with pytest.raises(UserError, match=r"forget_bias = 1\.0: only for lstm or .*, and model.cell is mine"):
        load_config("configs/digits.py:smoke", {"model.cell": "mine", "model.forget_bias": 1.0})
    register_dataset("numbers", **DATASET | {"options": "rnn_jax.config.sections.dataset:Generated"})
    with pytest.raises(UserError, match="the task classification needs images: mnist"):
        load_config("configs/digits.py:smoke", {"dataset.name": "numbers", "dataset.examples": 20})


def model_of(**fields: Any) -> type[BaseModel]:
    namespace = {"__annotations__": {name: kind for name, (kind, _) in fields.items()}}
    return type("Options", (BaseModel,), namespace | {name: field for name, (_, field) in fields.items()})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (model_of(name=(int, Field(description="a"))), "name: task.name is a key already"),
        (
            model_of(a=(list[int], Field(description="a"))),
            "a: must be a float, int, bool, str or Literal",
        ),
        (model_of(a=(int, Field(1))), "a: has no description"),
        (
            model_of(buckets=(str, Field(description="a"))),
            "buckets: another entry has an option",
        ),
        (
            model_of(dropout=(Annotated[float, Hyper], Field(description="a"))),
            "two keys that are Hyper have the name dropout",
        ),
    ],
)
def test_wrong_options(options: type[BaseModel], message: str) -> None:
    register_task("mine", **TASK | {"options": options})
    with pytest.raises(UserError, match=re.escape(message)):
        keys()


def test_options_of_cells_are_constants() -> None:
    options = model_of(a=(Annotated[float, Hyper], Field(description="a")))
    register_cell("mine", **CELL | {"options": options})
    with pytest.raises(UserError, match="the options of mine: a: only options of tasks can be Hyper"):
        keys()
