"""The promises of SECURITY.md for the whole package; `tests/datasets` tests those for single readers."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from rnn_jax.datasets import archives
from rnn_jax.datasets.user_files import pictures

ROOT = Path(__file__).parents[1]
RUNS_CODE = {"exec", "eval", "__import__", "import_module", "exec_module", "run_path", "run_module", "system"}
READS_CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy"}


def called(tree: ast.AST) -> set[str]:
    """Return the names of called functions, without their modules."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {ast.unparse(function).rpartition(".")[2] for function in functions}


def imported(tree: ast.AST) -> set[str]:
    """Return the imported packages, including imports inside functions."""
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def test_code_is_imported_or_run_in_four_places() -> None:
    running = set[str]()
    for path in sorted((ROOT / "rnn_jax").rglob("*.py")):
        tree = ast.parse(path.read_text())
        assert not imported(tree) & READS_CODE, path
        assert not any(
            keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
        ), path
        if called(tree) & RUNS_CODE:
            running.add(path.relative_to(ROOT).as_posix())
    assert running == {
        "rnn_jax/__main__.py",  # its own commands
        "rnn_jax/catalogue/entry.py",  # builders and options of the catalogue's entries
        "rnn_jax/config/python_files.py",  # config files, sweep files, plug-ins
        "rnn_jax/config/plugins.py",  # plug-ins that are modules
    }


WATCHED = """
import sys
folder, *arguments = sys.argv[1:]
found = []

def note(event, details):
    if event == "pickle.find_class" or event == "exec" and folder in getattr(details[0], "co_filename", ""):
        found.append(f"{event} {details}")

sys.addaudithook(note)
from rnn_jax import main, predict
assert main.main(["--workdir", folder, "--mode", "eval"]) == 0
assert predict.main(["--workdir", folder, *arguments]) == 0
assert not found, found
print("nothing was run")
"""


def run(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_in_a_run_folder_is_run(tmp_path: Path) -> None:
    """Restoring, evaluating and predicting run no code from the run folder and load no pickle."""
    folder = tmp_path / "run"
    command = ["--config", "configs/digits.py:smoke", "--workdir", str(folder)]
    run("-m", "rnn_jax.main", *command, "--config.train.duration_steps=2")
    for name in ("__init__.py", "sitecustomize.py", "numpy.py", "dataset.py", "config.py"):
        (folder / name).write_text("raise SystemExit('harmed')")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    output = run("-c", WATCHED, str(folder), "--json", str(tmp_path / "a.png"))
    assert output.splitlines()[-1] == "nothing was run"
    assert json.loads(output.splitlines()[-2])["input"] == str(tmp_path / "a.png")


def test_the_limits_are_those_of_the_code() -> None:
    text = " ".join((ROOT / "SECURITY.md").read_text().split())
    limit, expansion = archives.ALWAYS_ALLOWED >> 20, archives.MAX_EXPANSION
    assert f"more than {limit} MiB and {expansion} times its size" in text
    assert f"a picture of more than {pictures.MAX_PIXELS:,} pixels" in text
