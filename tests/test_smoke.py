"""Every config, and every variant of it, runs: on synthetic data, and briefly on real data, where it is."""

import ast
import os
from pathlib import Path

import pytest

from rnn_jax.main import main
from rnn_jax.runtime.run_folder import RunFolder

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.py"))


def variants(path: Path) -> list[str]:
    """The keys of a config's VARIANTS, without running it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "VARIANTS":
            assert isinstance(node.value, ast.Dict)
            return [ast.literal_eval(key) for key in node.value.keys if key is not None]
    return []


SMOKES = [
    f"configs/{path.name}:{','.join(name for name in (variant, 'smoke') if name)}"
    for path in CONFIGS
    for variant in ("", *(name for name in variants(path) if name != "smoke"))
]


@pytest.mark.parametrize("source", SMOKES)
def test_smoke(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert main(["--config", source, "--workdir", str(folder)]) == 0
    summary = RunFolder(folder).read_summary()
    assert summary is not None
    assert summary["status"] == "finished"
    assert summary["dataset"]["name"] in ("synthetic", "generated")
    assert "test" in capsys.readouterr().out


@pytest.mark.skipif("RNN_JAX_DATA" not in os.environ, reason="RNN_JAX_DATA names no folder with real data")
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_brief_on_real_data(path: Path, tmp_path: Path) -> None:
    steps = [
        "--config.train.duration_steps=3",
        "--config.log.every_steps=1",
        "--config.train.report_test=False",
    ]
    folder = tmp_path / "run"
    data = [f"--config.dataset.data_dir={tmp_path / 'data'}"]
    if path.stem == "text":  # anybody's own: here the README, which a few rows go through
        data += [f"--config.dataset.file={ROOT / 'README.md'}", "--config.dataset.batch_size=2"]
    assert main(["--config", f"configs/{path.name}", "--workdir", str(folder), *data, *steps]) == 0
    summary = RunFolder(folder).read_summary()
    assert summary is not None
    assert summary["dataset"]["name"] != "synthetic"
