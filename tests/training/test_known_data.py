"""What a run folder keeps of its data, and data that changed since."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax.main import main
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, write_json
from rnn_jax.runtime.run_folder import RunFolder
from rnn_jax.runtime.schema import Config
from rnn_jax.training import known_data
from rnn_jax.training.build import build

Tiny = Callable[..., Config]


def test_what_was_kept_is_known_again(tiny: Tiny, tmp_path: Path) -> None:
    job = build(tiny())
    known_data.keep(job, RunFolder(tmp_path))
    found = known_data.read(tmp_path)
    assert found.name == "synthetic"
    assert found.spec == job.data.spec
    assert found.classes == job.data.classes == tuple("0123456789")
    assert found.vocabulary is None


@pytest.mark.parametrize(("value", "background"), [(0, "dark"), (16, "light")])
def test_the_background_is_the_training_images(
    value: int, background: str, tiny: Tiny, tmp_path: Path
) -> None:
    job = build(tiny())
    images = np.full_like(job.data.splits["train"]["inputs"], value)
    splits = {**job.data.splits, "train": {**job.data.splits["train"], "inputs": images}}
    known_data.keep(job._replace(data=job.data._replace(splits=splits)), RunFolder(tmp_path))
    assert known_data.read(tmp_path).background == background


def written(folder: Path, shift: int = 0) -> str:
    lines = [f"{number % 2}\tword{number % 2 + shift} a b" for number in range(40)]
    (folder / "a.tsv").write_text("\n".join(["label\ttext", *lines]))
    return str(folder / "a.tsv")


def test_other_data_than_the_model_was_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has changed since: neither resuming nor evaluating takes it for the old one."""
    steps = [
        "--config.train.duration_steps=2",
        "--config.dataset.batch_size=4",
        "--config.model.hidden_size=4",
    ]
    data = [f"--config.dataset.file={written(tmp_path)}", f"--config.dataset.data_dir={tmp_path / 'data'}"]
    command = ["--config", "configs/labelled_text.py", "--workdir", str(tmp_path / "run"), *steps, *data]
    assert main(command) == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "run").glob("*.json")}
    written(tmp_path, shift=7)
    capsys.readouterr()
    assert main(["--workdir", str(tmp_path / "run"), "--mode", "eval"]) == 2
    assert "run: trained on version " in capsys.readouterr().err
    (tmp_path / "run" / "summary.json").unlink()
    kept.pop(tmp_path / "run" / "summary.json")
    assert main(["--workdir", str(tmp_path / "run")]) == 2
    assert "run: trained on version " in capsys.readouterr().err
    assert {path: path.read_bytes() for path in kept} == kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": None}, "dataset.json: damaged"),
        ({"classes": "abc"}, "dataset.json: damaged"),
        ({"background": "green"}, "dataset.json: damaged: the background is 'green'"),
    ],
)
def test_a_damaged_file(change: dict[str, Any], message: str, tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    known_data.keep(build(tiny()), folder)
    write_json(folder.dataset, read_json(folder.dataset) | change)
    with pytest.raises(UserError, match=message):
        known_data.read(tmp_path)
