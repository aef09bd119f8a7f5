"""The code in docs/ runs, and the tables of experiments are those of the records."""

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax.datasets.user_files.sequences import read_sequences
from rnn_jax.sweeping import definition, members

ROOT = Path(__file__).parents[1]


def example(name: str, page: str) -> str:
    """Return the code block after `<!-- name -->` in a page of docs/."""
    text = (ROOT / "docs" / page).read_text()
    return text.partition(f"<!-- {name} -->\n```python\n")[2].partition("```")[0]


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = example("python", "python.md")
    assert "train(config" in code
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs", "exec"), {})
    accuracy = float(capsys.readouterr().out.splitlines()[-1])
    assert 0 <= accuracy <= 1
    assert (tmp_path / "runs" / "from-python" / "summary.json").exists()
    code, names = example("checkpoint", "python.md"), dict[str, Any]()
    assert "rnn_jax" not in code  # it runs without this package
    exec(compile(code, "docs", "exec"), names)
    assert names["output"].shape == (1, 32)
    assert np.isfinite(names["output"]).all()


def test_the_sweep_file_is_valid() -> None:
    code = example("sweep", "sweeps.md")
    names: dict[str, Any] = {}
    exec(compile(code, "docs", "exec"), names)
    sweep = definition.check(names["get_sweep"](), "docs/sweeps.md")
    assert len(members.points(sweep)) == 32


@pytest.mark.parametrize("shape", ["lengths vary", "one length"])
def test_data_of_aeon_become_sequences(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader of aeon returns a list of [channels, time] or one array, and labels as strings."""
    random = np.random.default_rng(0)
    lengths = [7] * 40 if shape == "one length" else random.integers(3, 9, size=40).tolist()
    series = [random.normal(size=(3, length)) for length in lengths]
    labels = np.array(["a", "b"] * 20, dtype=object)
    loaded = np.stack(series) if shape == "one length" else series
    module = types.ModuleType("aeon.datasets")
    monkeypatch.setattr(module, "load_classification", lambda name, split: (loaded, labels), raising=False)
    monkeypatch.setitem(sys.modules, "aeon", types.ModuleType("aeon"))
    monkeypatch.setitem(sys.modules, "aeon.datasets", module)
    monkeypatch.chdir(tmp_path)
    code = example("aeon", "data.md")
    assert len([line for line in code.splitlines() if line and "import numpy" not in line]) == 4
    exec(compile(code, "docs", "exec"), {})
    found = read_sequences(Path("train.npz"))
    assert found.lengths.tolist() == lengths
    assert found.targets is not None
    assert found.targets.tolist() == labels.tolist()
    np.testing.assert_allclose(found.steps[: lengths[0]], series[0].T, rtol=1e-6)


def test_tables_are_those_of_the_records() -> None:
    done = subprocess.run(
        [sys.executable, "experiments/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
