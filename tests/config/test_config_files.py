"""Finding and running config files."""

import sys
from pathlib import Path

import pytest

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
    config.model.hidden_size = "eight"


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
        "configs/mine.py, line 21: TypeError: Could not override"
    )


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
