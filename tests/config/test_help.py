"""`--help` and the list of commands, without importing JAX."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_jax.__main__ import commands
from rnn_jax.config.command_line import parse
from rnn_jax.config.schema import SECTIONS, keys

ROOT = Path(__file__).parents[2]
HEAVY = ("jax", "numpy", "flax", "optax", "safetensors", "tensorflow_datasets", "matplotlib", "sklearn")
PROGRAM = f"""
import sys
from rnn_jax.config.command_line import parse
try:
    parse(sys.argv[1:])
finally:
    assert not set({HEAVY}) & set(sys.modules), sorted(sys.modules)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Parses a command line in a fresh process."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_parsing_imports_no_jax():
    done = run("--config", "configs/mnist.py:seed,smoke", "--config.train.seed=3")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_takes_little_time_and_no_jax():
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_key_and_every_config(capsys, flag):
    with pytest.raises(SystemExit) as caught:
        parse(["--config", "nothing", flag])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for section in SECTIONS:
        assert f"\n  {section}: " in text
    for key, field in keys().items():
        assert f"    .{key.partition('.')[2]} " in text
        assert str(field.description) in text
    for words in ("configs/digits.py ", "configs/mnist.py ", ":seed ", ":shifted ", ":smoke "):
        assert words in text
    assert "the optimizer [adam | adamw | sgd | rmsprop, default adamw]" in text
    assert "[float >= 0 < 1 | None, only with name = sgd or rmsprop]" in text
    assert max(map(len, text.splitlines())) <= 110


def test_help_lists_configs_that_are_broken_or_undocumented(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("configs/broken.py").write_text("def (")
    Path("configs/silent.py").write_text("x = 1")
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    assert "configs/broken.py         cannot be read: invalid syntax" in text
    assert "configs/silent.py         (no docstring)" in text


def test_the_commands_are_listed():
    assert {"main", "sweep", "predict", "generate", "report", "draw"} <= set(commands())
    assert not any(name.startswith("_") for name in commands())
