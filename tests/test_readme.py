"""What the README says is so."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rnn_jax.sweeping import definition, members

ROOT = Path(__file__).parents[1]


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "README.md").read_text()
    code = text.partition("<!-- python -->\n```python\n")[2].partition("```")[0]
    assert "train(config" in code
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    accuracy = float(capsys.readouterr().out.splitlines()[-1])
    assert 0 <= accuracy <= 1
    assert (tmp_path / "runs" / "from-python" / "summary.json").exists()


def test_the_sweep_file_is_one() -> None:
    text = (ROOT / "README.md").read_text()
    code = text.partition("<!-- sweep -->\n```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    sweep = definition.check(names["get_sweep"](), "README.md")
    assert len(members.points(sweep)) == 32


def test_tables_are_what_the_records_give() -> None:
    done = subprocess.run(
        [sys.executable, "experiments/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
