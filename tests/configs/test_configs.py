"""Every config: it is valid, with any variants, and has a smoke variant."""

import ast
import itertools
import re
from pathlib import Path

import pytest

from rnn_jax.config import config_files
from rnn_jax.config.config_files import available, defaults, describe
from rnn_jax.config.python_files import CONFIGS
from rnn_jax.config.schema import keys, validate

FILES = sorted(CONFIGS.glob("*.py"))
SOURCES = [f"configs/{file.name}" for file in FILES if file.name != "base.py"]
# What stands for one's own data, whatever they are.
DOUBLES = {
    "text": ("tiny_shakespeare", "ptb"),
    "image_folder": ("mnist",),
    "labelled_text": ("imdb",),
    "sequences": ("sequences", "measurements"),
}
COMBINATIONS = [
    (source, ",".join(names))
    for source in SOURCES
    for count in range(1, 1 + min(3, len(describe(source)[1])))
    for names in itertools.permutations(describe(source)[1], count)
]


def test_there_are_configs():
    assert {"configs/mnist.py", "configs/digits.py"} <= set(SOURCES) <= set(available())
    assert "configs/base.py" not in available()


def test_the_base_config_has_the_default_of_every_key():
    assert {f"{section}.{key}" for section, keys in defaults().items() for key in keys} == set(keys())


@pytest.mark.parametrize("source", SOURCES)
def test_a_config_is_valid_without_notes(source):
    assert validate(config_files.load(source))[1] == []


@pytest.mark.parametrize(("source", "variants"), COMBINATIONS)
def test_variants_combine_without_notes(source, variants):
    assert validate(config_files.load(f"{source}:{variants}"))[1] == []


@pytest.mark.parametrize(("source", "variants"), [c for c in COMBINATIONS if c[1].endswith("smoke")])
def test_smoke_is_small_and_needs_no_data(source, variants):
    base, _ = validate(config_files.load(source))
    config, _ = validate(config_files.load(f"{source}:{variants}"))
    if base.dataset.name == "generated":
        assert config.dataset.name == "generated"
    else:  # of the same spec, or of smaller images where many steps would take long
        assert config.dataset.name == "synthetic"
        assert config.dataset.template in DOUBLES.get(base.dataset.name, (base.dataset.name, "digits"))
    assert config.model.hidden_size == 32
    assert config.model.input_projection_size in (32, None)
    assert config.dataset.examples is not None
    assert config.train.duration_steps is not None
    assert config.dataset.examples <= 256
    assert config.train.duration_steps * config.dataset.batch_size <= 2_000


@pytest.mark.parametrize("source", SOURCES)
def test_a_config_documents_its_command_and_result(source):
    text = ast.get_docstring(ast.parse((CONFIGS.parent / source).read_bytes())) or ""
    assert f"python -m rnn_jax.main --config {source}" in text
    assert "Expected: " in text
    assert "smoke" in describe(source)[1]
    assert all(describe(source)[1].values())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_configs_import_ml_collections_and_other_configs_only(file: Path):
    nodes = list(ast.walk(ast.parse(file.read_bytes())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    assert {name.partition(".")[0] for name in names} <= {"typing", "ml_collections"}


def test_the_seed_script():
    config, _ = validate(config_files.load("configs/mnist.py:seed"))
    model, optimizer, train = config.model, config.optimizer, config.train
    assert (model.cell, model.hidden_size, model.input_projection_size, model.pool) == (
        "lstm",
        128,
        128,
        "last",
    )
    assert (model.kernel_init, model.recurrent_init) == ("joint_glorot_uniform", "joint_glorot_uniform")
    assert (model.dense_init, model.dense_bias, model.forget_bias) == ("normal", 0.1, 1.0)
    assert model.init_scale is None
    assert (optimizer.name, optimizer.learning_rate, optimizer.schedule) == ("adam", 1e-3, "constant")
    assert (optimizer.beta1, optimizer.beta2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
    assert (optimizer.clip_norm, optimizer.weight_decay, optimizer.average_decay) == (None, None, None)
    assert (optimizer.warmup_epochs, optimizer.warmup_steps) == (None, None)
    assert (config.dataset.name, config.dataset.batch_size, config.task.shift_pixels) == ("mnist", 128, 0)
    assert (train.duration_steps, config.log.batch_accuracy_every_steps) == (100_000, 50)


@pytest.mark.parametrize(
    ("variant", "init", "clip", "window", "units", "dropout", "at_the_peak", "epochs", "factor"),
    [
        ("small", 0.1, 5, 20, 200, None, 4, 13, 0.5),
        ("medium", 0.05, 5, 35, 650, 0.5, 6, 39, 0.8),
        ("large", 0.04, 10, 35, 1500, 0.65, 14, 55, 1 / 1.15),
    ],
)
def test_tensorflows_word_models(
    variant: str,
    init: float,
    clip: float,
    window: int,
    units: int,
    dropout: float | None,
    at_the_peak: int,
    epochs: int,
    factor: float,
) -> None:
    """As its tutorial has them: ptb_word_lm.py's three configs."""
    config, _ = validate(config_files.load(f"configs/ptb.py:{variant}"))
    model, optimizer, task = config.model, config.optimizer, config.task
    assert (config.dataset.name, config.dataset.batch_size) == ("ptb", 20)
    assert (task.bptt_steps, task.loss_per, task.eval_batch_size) == (window, "row", 1)
    assert (model.cell, model.layers, model.hidden_size, model.tied_embedding) == ("lstm", 2, units, False)
    assert (model.dropout, model.input_dropout, model.output_dropout) == (dropout, dropout, dropout)
    assert (model.kernel_init, model.recurrent_init, model.dense_init) == ("uniform", "uniform", "uniform")
    assert (model.init_scale, model.forget_bias, model.embedding_size) == (init, 0.0, None)
    assert (optimizer.name, optimizer.learning_rate, optimizer.clip_norm) == ("sgd", 1.0, clip)
    assert (optimizer.schedule, optimizer.decay_factor) == ("step", factor)
    assert (optimizer.decay_from_epochs, optimizer.decay_every_epochs) == (at_the_peak, 1)
    assert config.train.duration_epochs == epochs


def test_the_config_of_docs_configs(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "configs.md").read_text()
    (tmp_path / "my_digits.py").write_text(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0])
    config, notes = validate(config_files.load(f"{tmp_path / 'my_digits.py'}:wide"))
    assert (config.dataset.name, config.model.cell, config.model.hidden_size) == ("digits", "gru", 128)
    assert notes == []
