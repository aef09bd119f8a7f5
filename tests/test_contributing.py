"""The four worked examples of CONTRIBUTING.md run as written, on a copy of the package."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 48


def section(name: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def change(root: Path, hunk: str) -> None:
    """Apply a hunk; its removed and unchanged lines must be in the file exactly once."""
    place, _, lines = hunk.partition("\n")
    before = "\n".join(line[1:] for line in lines.splitlines() if line[0] in " -")
    after = "\n".join(line[1:] for line in lines.splitlines() if line[0] in " +")
    path = root / place.strip()
    text = path.read_text()
    assert text.count(before) == 1, f"{place}: {before!r} is there {text.count(before)} times"
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("name", "edited"),
    [
        ("Add a cell", ["rnn_jax/catalogue/cells.py"]),
        ("Add a data set", ["rnn_jax/catalogue/datasets.py"]),
        ("Add a task", ["rnn_jax/catalogue/tasks.py"]),
        ("Add a cell from outside the package", []),
    ],
)
@pytest.mark.matrix
def test_an_example_works_as_written(name: str, edited: list[str], tmp_path: Path) -> None:
    """An example adds one file, and inside the package one entry in the catalogue."""
    for folder in ("rnn_jax", "configs", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = section(name)
    (code,), (commands,) = (blocks(text, language) for language in ("python", "sh"))
    changes = "".join(blocks(text, "diff"))
    assert len(code.splitlines()) + changes.count("\n+") < MAX_LINES
    assert "\n-" not in changes
    places = re.findall(r"`([\w/]+\.py)`:\n", text)
    assert len(places) == 1
    assert not (tmp_path / places[0]).exists()
    (tmp_path / places[0]).write_text(code)
    hunks = changes.split("@@ ")[1:]
    assert [hunk.partition("\n")[0].strip() for hunk in hunks] == edited
    for hunk in hunks:
        change(tmp_path, hunk)
    ran = subprocess.run([sys.executable, "-m", "ruff", "check", "-q", "--isolated", places[0]], cwd=tmp_path)
    assert ran.returncode == 0
    for command in commands.splitlines():
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        words = shlex.split(command, comments=True)
        if words[0] == "python":  # training takes longer than compiling
            words, environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = words[1:], "0"
        else:
            words = ["-m", *words]
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "0 tests" not in done.stdout
        assert ("test " in done.stdout) or ("passed" in done.stdout)
