"""Validation of configs, and the messages of its errors."""

import copy
import math
from typing import Any

import pytest

from rnn_jax.config import config_files
from rnn_jax.config.command_line import load_config
from rnn_jax.config.messages import nearest_key
from rnn_jax.config.schema import Config, Hyper, check, keys, split_hyper, validate
from rnn_jax.runtime.errors import UserError


def config_with(**changes: object) -> dict[str, Any]:
    """The MNIST config with `section__key` set to other values."""
    config = load_config("configs/mnist.py").to_dict()
    for name, value in changes.items():
        section, _, key = name.partition("__")
        config[section][key] = value
    return config


def errors_of(config, typed=(), origin=None) -> list[str]:
    """The lines of the error that a config raises."""
    with pytest.raises(UserError) as caught:
        validate(config, typed, origin)
    return str(caught.value).splitlines()


class NoRepr:
    """A value without a repr."""

    def __repr__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("optimizer__learning_rate", -1, "optimizer.learning_rate = -1: must be at least 0"),
        ("optimizer__learning_rate", math.nan, "= nan: must be a finite number, at least 0"),
        ("optimizer__learning_rate", math.inf, "= inf: must be a finite number, at least 0"),
        ("optimizer__learning_rate", None, "optimizer.learning_rate = None: must be a finite number"),
        ("optimizer__beta1", 1.0, "optimizer.beta1 = 1.0: must be at least 0 and less than 1"),
        ("optimizer__epsilon", 0.0, "optimizer.epsilon = 0.0: must be more than 0"),
        (
            "optimizer__clip_norm",
            "1",
            "optimizer.clip_norm = '1': must be a finite number, more than 0, or None",
        ),
        ("optimizer__name", "adma", "must be one of adam, adamw, sgd, rmsprop; did you mean adam?"),
        ("model__hidden_size", 1.5, "model.hidden_size = 1.5: must be a whole number, at least 1"),
        ("model__hidden_size", True, "model.hidden_size = True: must be a whole number, at least 1"),
        ("model__hidden_size", 0, "model.hidden_size = 0: must be at least 1"),
        ("model__hidden_size", [1, 2], "model.hidden_size = [1, 2]: must be a whole number"),
        ("model__cell", "gruu", "model.cell = 'gruu': must be one of rnn, lstm, lstm_peephole"),
        (
            "dataset__name",
            "cifar",
            "dataset.name = 'cifar': must be one of mnist, fashion_mnist, digits",
        ),
        ("dataset__data_dir", 3, "dataset.data_dir = 3: must be text, or None"),
        ("train__seed", 2**32, "= 4294967296: must be at least 0 and less than 4294967296"),
        ("model__hidden_size", 2**31, "model.hidden_size = 2147483648: must be less than 2147483648"),
        ("dataset__batch_size", 10**30, "000: must be less than 2147483648"),
        ("model__layers", 10**30, "must be at least 1 and at most 1000"),
        ("train__report_test", 1, "train.report_test = 1: must be True or False"),
    ],
)
def test_a_wrong_value_is_reported_with_the_allowed_ones(key, value, line):
    (lines,) = errors_of(config_with(**{key: value}))
    assert line in lines


def test_all_errors_are_reported_at_once():
    config = config_with(
        optimizer__lerning_rate=1.0, optimizer__clip_norm=-1.0, model__cell="gruu", train__duration_steps=3
    )
    assert [line.partition(":")[0] for line in errors_of(config)] == [
        "optimizer.lerning_rate",
        "model.cell = 'gruu'",
        "optimizer.clip_norm = -1.0",
        "train.duration_epochs = 15.0",
    ]


def test_absent_keys_have_their_defaults():
    given = {"dataset": {"name": "digits"}, "task": {"name": "classification"}, "model": {"cell": "gru"}}
    config, notes = validate({**given, "train": {"duration_steps": 30}})
    assert notes == []
    assert (config.model.cell, config.model.hidden_size, config.model.forget_bias) == ("gru", 128, None)
    assert (config.train.duration_steps, config.train.duration_epochs) == (30, None)
    assert errors_of({"task": {"name": "classification"}})[0].startswith(
        "dataset.name = None: must be one of"
    )


def test_missing_keys_and_sections_of_a_complete_config_are_reported():
    config = config_with()
    del config["model"]["hidden_size"]
    del config["train"]
    config["log"] = 3
    with pytest.raises(UserError) as caught:
        check(config)
    keys, value, section = str(caught.value).splitlines()
    named = "every_steps, batch_accuracy_every_steps, sample_tokens, tensorboard"
    assert keys == f"log = 3: is a section, with the keys {named}"
    assert value.startswith(
        "model.hidden_size: must be given (units of each recurrent layer): a whole number"
    )
    assert section.startswith("train: the whole section is missing; its keys are seed, duration_epochs")


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("optimizer.lerning_rate", "optimizer.learning_rate"),
        ("optimizer.lr", "optimizer.learning_rate"),
        ("lr", "optimizer.learning_rate"),
        ("optimiser.clip", "optimizer.clip_norm"),
        ("optimiser.name", "optimizer.name"),
        ("model.learning_rate", "optimizer.learning_rate"),
        ("model.lerning_rate", "optimizer.learning_rate"),
        ("train.epochs", "train.duration_epochs"),
        ("model.hidden", "model.hidden_size"),
        ("batch_size", "dataset.batch_size"),
        # What a key was called before.
        ("task.window_steps", "task.bptt_steps"),
        ("dataset.like", "dataset.template"),
        ("processes", "runtime.process_count"),
        ("optimizer.zzz", None),
        ("zzz", None),
    ],
)
def test_the_nearest_key(mistyped, meant):
    assert nearest_key(mistyped, keys()) == meant


def test_an_unknown_key_unlike_any_other_lists_the_keys():
    (line,) = errors_of(config_with(log__zzz=1))
    assert (
        line
        == "log.zzz: no such key; log has every_steps, batch_accuracy_every_steps, sample_tokens, tensorboard"
    )
    config = config_with()
    config["zzz"] = 1
    (line,) = errors_of(config)
    assert line.startswith("zzz: no such key; the sections are dataset, task, model, optimizer, train")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("optimizer__clip_norm", 0.0, "must be more than 0"),
        ("optimizer__clip_norm", 1e-39, "must be at least 1.18e-38: in float32 it is 0"),
        ("optimizer__epsilon", 0.0, "must be more than 0"),
        ("optimizer__epsilon", 1e-50, "must be at least 1.18e-38: in float32 it is 0"),
        ("optimizer__beta1", 0.99999999, "must be less than 1, and in float32 it is not"),
        ("optimizer__beta2", 0.99999999, "must be less than 1, and in float32 it is not"),
        ("model__dropout", 0.99999999, "must be less than 1, and in float32 it is not"),
        ("optimizer__learning_rate", 1e39, "must be at most 3.4e+38, the largest number in float32"),
        ("model__init_scale", 10**39, "must be at most 3.4e+38, the largest number in float32"),
    ],
)
def test_no_value_divides_by_zero_in_float32(key: str, value: float, message: str) -> None:
    name = key.replace("__", ".")
    (line,) = errors_of(config_with(**{key: value}))
    assert line.startswith(f"{name} = ")
    assert line.endswith(message)


def test_errors_name_their_origin():
    config = config_with(optimizer__clip_norm=-1, optimizer__learning_rate=-1)
    assert errors_of(config, typed=["optimizer.clip_norm"], origin="configs/mine.py") == [
        "configs/mine.py: optimizer.learning_rate = -1: must be at least 0",
        "optimizer.clip_norm = -1: must be more than 0",
    ]


def test_inapplicable_keys_of_a_file_are_ignored():
    """With a note for those that differ from their defaults."""
    config, notes = validate(
        config_with(optimizer__name="sgd", optimizer__beta1=0.8), typed=["optimizer.name"]
    )
    assert (config.optimizer.beta1, config.optimizer.beta2, config.optimizer.epsilon) == (None, None, None)
    assert notes == ["optimizer.beta1 ignored: optimizer.name is sgd"]


def test_inapplicable_keys_that_were_typed_are_errors():
    config = config_with(optimizer__name="sgd", optimizer__beta1=0.5)
    (line,) = errors_of(config, typed=["optimizer.name", "optimizer.beta1"])
    assert line == "optimizer.beta1 = 0.5: only for adam or adamw, and optimizer.name is sgd"


def test_none_may_be_typed_for_an_inapplicable_key():
    config = config_with(optimizer__name="sgd", optimizer__beta1=None)
    assert validate(config, typed=["optimizer.name", "optimizer.beta1"])[0].optimizer.beta1 is None


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"dataset__name": "synthetic"},
            [
                "dataset.examples: must be given where dataset.name is synthetic: a whole number",
                "dataset.template: must be given where dataset.name is synthetic: one of mnist, fashion",
            ],
        ),
        (
            {"optimizer__final_fraction": None},
            ["optimizer.final_fraction: must be given where optimizer.schedule is cosine: a finite number"],
        ),
        (
            {"optimizer__schedule": "exponential", "optimizer__decay_factor": 0.5},
            ["optimizer.decay_every_epochs: neither it nor optimizer.decay_every_steps is given"],
        ),
        (
            {"optimizer__name": "rmsprop"},
            ["optimizer.rms_decay: must be given where optimizer.name is rmsprop: a finite number, at least"],
        ),
        (
            {"optimizer__warmup_steps": 5},
            ["optimizer.warmup_epochs = 1.0: give it or optimizer.warmup_steps (= 5), not both"],
        ),
        (
            {"train__evaluate_every_epochs": None},
            ["train.evaluate_every_epochs: neither it nor train.evaluate_every_steps is given"],
        ),
    ],
)
def test_rules_between_keys(changes, lines):
    for line, start in zip(errors_of(config_with(**changes)), lines, strict=True):
        assert line.startswith(start)


def test_a_step_schedule_is_accepted_with_its_keys():
    changes = {"schedule": "step", "decay_every_steps": 10, "decay_factor": 0.5, "final_fraction": None}
    config, notes = validate(config_with(**{f"optimizer__{key}": value for key, value in changes.items()}))
    assert config.optimizer.decay_every_steps == 10
    assert notes == []


def test_a_typed_duration_replaces_the_files():
    config, notes = validate(config_with(train__duration_steps=30), typed=["train.duration_steps"])
    assert (config.train.duration_steps, config.train.duration_epochs) == (30, None)
    assert notes == ["train.duration_epochs ignored: train.duration_steps is given"]


def test_two_typed_durations_are_an_error():
    both = ["train.duration_steps", "train.duration_epochs"]
    (line,) = errors_of(config_with(train__duration_steps=30), typed=both)
    assert line.startswith("train.duration_epochs = 15.0: give it or train.duration_steps (= 30)")


def test_a_whole_number_is_a_number():
    config, _ = validate(config_with(optimizer__clip_norm=1))
    assert config.optimizer.clip_norm == 1.0
    assert type(config.optimizer.clip_norm) is float


def test_validation_does_not_change_its_argument():
    config = config_with(optimizer__name="sgd")
    before = copy.deepcopy(config)
    validate(config)
    assert config == before


def test_hyperparameters_are_separated_from_their_sections():
    config, _ = validate(config_with(optimizer__clip_norm=2))
    sections, hyper = split_hyper(config)
    assert hyper == {"forget_bias": 1.0, "learning_rate": 4e-3, "weight_decay": 0.1, "clip_norm": 2.0}
    marked = {key for key, field in keys().items() if Hyper in field.metadata}
    left = {f"{section}.{key}" for section, keys in sections.items() for key in keys}
    assert left == set(keys()) - marked
    assert len({key.partition(".")[2] for key in marked}) == len(marked)


def test_every_key_has_a_description_and_no_default_but_none():
    for key, field in keys().items():
        assert field.description, key
        assert field.is_required() or field.default is None, key


def test_a_validated_config_is_frozen():
    config: Config = validate(config_with())[0]
    with pytest.raises(ValueError, match="frozen"):
        config.train.seed = 3  # pyright: ignore[reportAttributeAccessIssue]


def text_with(source: str = "configs/text.py", **changes: object) -> dict[str, Any]:
    """A language model's config with `section__key` set to other values."""
    config = config_files.load(source).to_dict()
    for key, value in changes.items():
        section, _, name = key.partition("__")
        config[section][name] = value
    return config


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"model__bidirectional": True},
            "model.bidirectional = True: a language model cannot be bidirectional: it would see",
        ),
        (
            {"dataset__test_file": "b.txt"},
            "dataset.validation_file: must be given as well where dataset.test_file is",
        ),
        (
            {"dataset__tokenizer": "bpe"},
            "dataset.vocabulary_size: must be given where dataset.tokenizer is bpe: a whole number from 256",
        ),
        (
            {"optimizer__average_decay": 0.9, "optimizer__average_from_steps": 5},
            "optimizer.average_from_steps = 5: give it or optimizer.average_decay (= 0.9), not both",
        ),
        (
            {"dataset__name": "digits"},
            "dataset.name = 'digits': the task language_modelling needs a text: ptb, tiny_shakespeare",
        ),
        ({"dataset__file": None}, "dataset.file: must be given where dataset.name is text: text"),
        ({"model__tied_embedding": None}, "model.tied_embedding: must be given where task.name is"),
        ({"model__weight_drop": 1.0}, "model.weight_drop = 1.0: must be at least 0 and less than 1"),
    ],
)
def test_rules_of_language_models(changes: dict[str, Any], line: str) -> None:
    assert errors_of(text_with(**changes))[0].startswith(line)


def test_synthetic_data_must_be_of_the_tasks_kind() -> None:
    config = text_with("configs/ptb.py:smoke", dataset__template="mnist")
    assert errors_of(config) == [
        "dataset.template = 'mnist': the task language_modelling needs a text: ptb, tiny_shakespeare"
    ]
    assert validate(text_with("configs/ptb.py:smoke", dataset__template="tiny_shakespeare"))[1] == []


def test_keys_of_language_models_are_ignored_elsewhere() -> None:
    config = config_with(model__tied_embedding=True, model__input_dropout=0.5, log__sample_tokens=9)
    assert validate(config)[1] == [
        "model.input_dropout, model.tied_embedding, log.sample_tokens ignored: task.name is classification"
    ]


def test_of_many_errors_the_first_are_reported():
    with pytest.raises(UserError) as caught:
        check({"name": "another", "version": 1})
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("name: no such key")
    assert lines[-1] == "and 5 more errors"


@pytest.mark.parametrize("value", [NoRepr(), 10**9_999], ids=["object", "number"])
def test_a_value_without_a_repr_is_reported_by_its_type(value):
    (lines,) = errors_of(config_with(model__hidden_size=value))
    assert f"model.hidden_size = <{type(value).__name__}>: must be" in lines


def test_whole_numbers_have_31_bits_and_seeds_32():
    config = config_with(model__hidden_size=2**31 - 1, train__seed=2**32 - 1)
    assert validate(config)[0].model.hidden_size == 2**31 - 1
