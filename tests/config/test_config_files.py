"""Finding and running config files."""

import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_jax.config import python_files
from rnn_jax.config.command_line import load_config
from rnn_jax.config.config_files import available, describe, load, split_source
from rnn_jax.runtime.errors import UserError

GOOD = '''"""A config of one's own.

More about it.
"""

from . import mnist


def get_config():
    config = mnist.get_config()
    config.train.seed = 11
    return config


def small(config):
    """Narrower."""
    config.model.hidden_size = 8


def wrong(config):
    config.model.hidden_size = "eight" + 8


VARIANTS = {"small": small, "wrong": wrong}
'''


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """Another repository, with a config of its own; the working directory."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.py").write_text(GOOD)
    return tmp_path


def error_of(source: str) -> str:
    """The message of the error that a config file raises."""
    with pytest.raises(UserError) as caught:
        load(source)
    return str(caught.value)


def test_a_source_is_a_path_and_variants():
    assert split_source("configs/mnist.py") == ("configs/mnist.py", [])
    assert split_source("configs/mnist.py:seed,smoke") == ("configs/mnist.py", ["seed", "smoke"])
    assert split_source("a:b/mnist.py") == ("a:b/mnist.py", [])


def test_a_config_of_another_repository_may_import_ours(repository):
    config = load("configs/mine.py:small").to_dict()
    assert (config["train"]["seed"], config["model"]["hidden_size"]) == (11, 8)
    assert config["optimizer"]["name"] == "adamw"


@pytest.mark.parametrize("is_package", [False, True])
def test_a_file_may_import_a_module_beside_it(tmp_path, monkeypatch, is_package):
    """As a script does; folders have helpers of their own."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(python_files, "_folders", [])
    monkeypatch.delitem(sys.modules, "our_sizes", raising=False)
    monkeypatch.chdir(tmp_path)
    name = "our_sizes/__init__" if is_package else "our_sizes"
    for folder, size in (("my", 7), ("other", 9)):
        file = tmp_path / folder / f"{name}.py"
        file.parent.mkdir(parents=True)
        file.write_text(f"SIZE = {size}\n")
        (tmp_path / folder / f"only_{folder}.py").touch()
        (tmp_path / folder / "mnist").mkdir()  # no module, and not beside the packaged config of that name
        (tmp_path / folder / "conf.py").write_text(
            "from . import mnist\nfrom our_sizes import SIZE\n\n"
            "def get_config():\n"
            f"    import only_{folder}\n"
            "    config = mnist.get_config()\n    config.model.hidden_size = SIZE\n    return config\n"
        )
    for folder, size in (("my", 7), ("other", 9), ("my", 7)):
        assert load(f"{folder}/conf.py").to_dict()["model"]["hidden_size"] == size
    assert sys.path[-2:] == [str(tmp_path / "my"), str(tmp_path / "other")]


def test_configs_may_import_others_of_their_repository(repository):
    (repository / "configs" / "next.py").write_text("from .mine import get_config\n")
    assert load("configs/next.py").to_dict()["train"]["seed"] == 11


def test_our_configs_are_found_from_any_directory(repository):
    assert load("configs/digits.py").to_dict()["dataset"]["name"] == "digits"
    assert {"configs/digits.py", "configs/mine.py", "configs/mnist.py"} <= set(available())
    assert available() == sorted(available())


def test_a_config_is_described_without_being_run(repository):
    file = repository / "configs" / "mine.py"
    file.write_text(GOOD + "raise RuntimeError\n")
    summary, variants = describe("configs/mine.py")
    assert summary == "A config of one's own."
    assert variants == {"small": "Narrower.", "wrong": ""}


PLACEHOLDER = """
from ml_collections import config_dict

def get_config():
    return config_dict.create(a=config_dict.placeholder(int, required=True))
"""


MUTE = """class Mute(Exception):
    def __str__(self):
        raise ValueError
raise Mute
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef get_config(:\n", "configs/bad.py, line 2: invalid syntax: def get_config(:"),
        ("\nimport nothing_such\n", "configs/bad.py, line 2: ModuleNotFoundError: No module named"),
        ("def get_config():\n    return 1 / 0\n", "configs/bad.py, line 2: ZeroDivisionError: division by"),
        ("from . import worse\n", "configs/worse.py, line 1: NameError: name 'undefined' is not"),
        ("x = 1\n", "configs/bad.py: must define get_config()"),
        ("def get_config():\n    return {}\n", "must return an ml_collections.ConfigDict, not dict"),
        (PLACEHOLDER, "configs/bad.py: RequiredValueError"),
        ("import sys\nsys.exit(0)\n", "configs/bad.py, line 2: SystemExit: 0"),
        ("class Odd(BaseException): pass\nraise Odd(1)\n", "configs/bad.py, line 2: Odd: 1"),
        (MUTE, "configs/bad.py, line 4: Mute: no message"),
    ],
)
def test_a_config_that_fails_is_reported_with_its_line(repository, text, message):
    (repository / "configs" / "bad.py").write_text(text)
    (repository / "configs" / "worse.py").write_text("undefined\n")
    line = error_of("configs/bad.py")
    assert message in line
    assert "\n" not in line


def test_a_variant_that_fails_is_reported_with_its_line(repository):
    assert error_of("configs/mine.py:wrong").startswith(
        "configs/mine.py, line 21: TypeError: can only concat"
    )


NUMPY = """
import numpy as np
from . import digits

def get_config():
    config = digits.get_config()
    config.model.hidden_size = np.int64(8)
    config.optimizer.learning_rate = np.float32(0.5)
    config.log.tensorboard = np.False_
    config.dataset.batch_size = np.array(16)
    return config

def text(config):
    config.model.hidden_size = "eight"

VARIANTS = {"text": text}
"""


def test_numpy_scalars_are_values(repository):
    (repository / "configs" / "scalars.py").write_text(NUMPY)
    overrides = {
        "train.seed": np.uint8(3),
        "optimizer.clip_norm": np.float64(2),
        "model.cell": np.str_("gru"),
    }
    config = load_config("configs/scalars.py", overrides | {"log.every_steps": np.int32(7)}).to_dict()
    found = [config["model"][key] for key in ("hidden_size", "cell")]
    found += [config["optimizer"][key] for key in ("learning_rate", "clip_norm")]
    found += [config["log"][key] for key in ("tensorboard", "every_steps")]
    found += [config["dataset"]["batch_size"], config["train"]["seed"]]
    expected = [8, "gru", 0.5, 2.0, False, 7, 16, 3]
    assert [(value, type(value)) for value in found] == [(value, type(value)) for value in expected]


def test_a_wrong_type_in_a_file_is_reported_with_its_key(repository):
    (repository / "configs" / "scalars.py").write_text(NUMPY)
    with pytest.raises(UserError, match=r"model\.hidden_size = 'eight': must be a whole number, at least 1"):
        load_config("configs/scalars.py:text")
    with pytest.raises(UserError, match=r"model\.hidden_size = 8\.5: must be a whole number"):
        load_config("configs/scalars.py", {"model.hidden_size": np.float64(8.5)})


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ("['small']", "VARIANTS must be a dict of functions by their names"),
        ("None", "VARIANTS must be a dict of functions by their names"),
        ("{3: len}", "VARIANTS must be a dict of functions by their names"),
        ("{'small': 'tiny'}", "VARIANTS: small = 'tiny': must be a function"),
    ],
)
def test_variants_must_be_functions_by_their_names(repository, variants, message):
    text = f"from .mine import get_config\nVARIANTS = {variants}\n"
    (repository / "configs" / "bad.py").write_text(text)
    assert error_of("configs/bad.py:small") == f"configs/bad.py: {message}"


def test_a_config_that_is_interrupted_is_interrupted(repository):
    (repository / "configs" / "slow.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load("configs/slow.py")


def test_a_config_without_variants(repository):
    (repository / "configs" / "plain.py").write_text("from .mine import get_config\n")
    assert error_of("configs/plain.py:small") == "configs/plain.py:small: the config has no variants"


def test_a_folder_is_not_a_config(repository):
    assert error_of("configs").startswith("--config configs: no such file")
