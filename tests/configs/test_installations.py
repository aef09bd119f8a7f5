"""Configs load alike from a checkout, an editable installation and a wheel, beside files of a user's own."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from rnn_jax.config.command_line import load_config

ROOT = Path(__file__).parents[2]
PACKAGED = ("mnist:seed,smoke", "text:bpe", "configs/digits.py", "configs/mnist_pixels.py:permuted")
OWN = {
    "base.py": """
from ml_collections import ConfigDict

def get_config():
    return ConfigDict(dict(dataset=dict(name="digits"), task=dict(name="classification"), train=dict(seed=7)))
""",
    "mnist.py": """
from . import base

def get_config():
    config = base.get_config()
    config.model = dict(cell="gru")
    return config
""",
    "sequences.py": """
from . import adding, copying

def get_config():
    config = copying.get_config()
    config.dataset.examples = adding.get_config().dataset.examples // 2
    return config
""",
}
PROGRAM = """
import json, sys
import rnn_jax
from rnn_jax.config.command_line import load_config
print(json.dumps({source: load_config(source).to_dict() for source in sys.argv[2:]}))
assert rnn_jax.__file__.startswith(sys.argv[1]), rnn_jax.__file__
"""


def environment(folder: Path, *python_path: Path) -> dict[str, str]:
    """A virtual environment that has this one's packages, and what `python_path` adds."""
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    paths = os.pathsep.join(map(str, python_path))
    return {**os.environ, "PYTHONPATH": paths, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def run(*command: str, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copied_checkout(folder: Path) -> Path:
    """What an installation is built from; building leaves files there."""
    for name in ("rnn_jax", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.mark.matrix
@pytest.mark.parametrize("installation", ["checkout", "editable", "wheel"])
def test_configs_are_found_and_derive_from_each_other(installation: str, tmp_path: Path) -> None:
    source, own = copied_checkout(tmp_path / "source"), tmp_path / "own"
    env = environment(tmp_path / "venv", *([source] if installation == "checkout" else []))
    if installation != "checkout":
        flags = ["--no-deps", "-q", *(["-e"] if installation == "editable" else [])]
        pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "venv"), "install"]
        run(*pip, *flags, str(source), cwd=tmp_path, env=env)
    if installation == "wheel":
        shutil.rmtree(source)
    (own / "configs").mkdir(parents=True)
    for name, text in OWN.items():
        (own / "configs" / name).write_text(text)
    theirs = ("configs/mnist.py", "configs/sequences.py")
    place = str(tmp_path / ("venv" if installation == "wheel" else "source"))
    found = json.loads(run("python", "-c", PROGRAM, place, *PACKAGED, *theirs, cwd=own, env=env))
    for config in PACKAGED:
        assert found[config] == load_config(config).to_dict(), config
    mnist, sequences = (found[config] for config in theirs)
    assert (mnist["dataset"]["name"], mnist["train"]["seed"], mnist["model"]["cell"]) == ("digits", 7, "gru")
    assert (sequences["task"]["name"], sequences["dataset"]["examples"]) == ("copying", 200_000)
    assert sequences["train"]["seed"] == 0  # what is packaged derives from the packaged base
    text = run("python", "-m", "rnn_jax.main", "--help", cwd=own, env=env)
    assert "configs/ptb.py " in text
