"""Every config and variant runs on synthetic data, and briefly on real data if they are available."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from rnn_jax.config.config_files import describe
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.main import main

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.py") if path.stem != "base")
SMOKES = [
    f"configs/{path.name}:{','.join(name for name in (variant, 'smoke') if name)}"
    for path in CONFIGS
    for variant in ("", *(name for name in describe(f"configs/{path.name}")[1] if name != "smoke"))
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


DTYPES = ["copying", "labelled_text", "mnist_pixels", "shakespeare"]  # whose tasks draw or count in JAX


@pytest.mark.parametrize(
    "name", ["adding", *(pytest.param(name, marks=pytest.mark.matrix) for name in DTYPES)]
)
def test_a_run_with_64_bits_enabled_computes_the_same(name: str, tmp_path: Path) -> None:
    losses = []
    for enabled in (False, True):
        folder = tmp_path / str(enabled)
        with jax.enable_x64(enabled):
            assert main(["--config", f"configs/{name}.py:smoke", "--workdir", str(folder)]) == 0
        summary = RunFolder(folder).read_summary()
        assert summary is not None
        losses.append(summary["test"]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def written_table(folder: Path) -> Path:
    lines = [f"{label}\tA text of the class {label}, number {n}" for n in range(20) for label in ("a", "b")]
    (folder / "texts.tsv").write_text("\n".join(["label\ttext", *lines]))
    return folder / "texts.tsv"


def written_sequences(folder: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(40, 9, 2))
    np.savez(folder / "sequences.npz", x=x, y=np.arange(40) % 2, lengths=np.arange(40) % 9 + 1)
    return folder / "sequences.npz"


def written_pictures(folder: Path) -> Path:
    for name, value in (("dark", 60), ("light", 200)):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(20):
            Image.new("L", (12, 9), value + number).save(folder / "images" / name / f"{number}.png")
    return folder / "images"


# For each config of a user's own data: the key that names them, and a function that returns an example.
OWN = {
    "text": ("file", lambda folder: ROOT / "README.md"),
    "labelled_text": ("file", written_table),
    "sequences": ("file", written_sequences),
    "images": ("folder", written_pictures),
}


@pytest.mark.skipif("RNN_JAX_DATA" not in os.environ, reason="RNN_JAX_DATA is not set")
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.matrix
def test_brief_on_real_data(path: Path, tmp_path: Path, prepared_real_data: Path) -> None:
    if path.stem == "fashion_mnist" and not (Path(os.environ["RNN_JAX_DATA"]) / path.stem).is_dir():
        pytest.skip("RNN_JAX_DATA has no folder fashion_mnist")
    steps = [
        "--config.train.duration_steps=3",
        "--config.log.every_steps=1",
        "--config.train.report_test=False",
        "--config.model.hidden_size=32",  # the test is about the data
    ]
    if path.stem in ("imdb", "labelled_text", "sequences"):
        steps.append("--config.task.buckets=2")
    folder = tmp_path / "run"
    data = [f"--config.dataset.data_dir={prepared_real_data}"]
    if path.stem in OWN:
        key, make = OWN[path.stem]
        data = [f"--config.dataset.data_dir={tmp_path / 'data'}"]
        data += [f"--config.dataset.{key}={make(tmp_path)}", "--config.dataset.batch_size=2"]
    assert main(["--config", f"configs/{path.name}", "--workdir", str(folder), *data, *steps]) == 0
    summary = RunFolder(folder).read_summary()
    assert summary is not None
    assert summary["dataset"]["name"] != "synthetic"
