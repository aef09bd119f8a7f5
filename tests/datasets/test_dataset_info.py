"""What a run folder keeps of its data, and data that changed since."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.config.schema import Config
from rnn_jax.datasets import dataset_info, vocabulary
from rnn_jax.main import main
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, write_json
from rnn_jax.training.build import build

Tiny = Callable[..., Config]


def test_what_was_kept_is_known_again(tiny: Tiny, tmp_path: Path) -> None:
    job = build(tiny())
    dataset_info.keep(job, RunFolder(tmp_path))
    found = dataset_info.read(tmp_path)
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
    dataset_info.keep(job._replace(data=job.data._replace(splits=splits)), RunFolder(tmp_path))
    assert dataset_info.read(tmp_path).background == background


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


IMAGES = {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}
MEASURED = {"kind": "sequences", "features": 1, "means": [0.0], "deviations": [1.0], "classes": 10}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": None}, "dataset.json: damaged"),
        ({"classes": "abc"}, "dataset.json: damaged"),
        ({"background": "green"}, "dataset.json: damaged: the background is 'green'"),
        ({"classes": [1] * 10}, "dataset.json: damaged: its classes are no names"),
        ({"classes": ["a"]}, "dataset.json: damaged: has the names of 1 classes, of 10"),
        ({"spec": {"kind": "sound"}}, "dataset.json: damaged: its kind of data is 'sound'"),
        ({"spec": {**IMAGES, "height": 10**9}}, "dataset.json: damaged: height is 1000000000"),
        ({"spec": {**IMAGES, "maximum": True}}, "dataset.json: damaged: maximum is True"),
        ({"spec": {**MEASURED, "deviations": [0.0]}}, "dataset.json: damaged: deviations should be features"),
        ({"spec": {**MEASURED, "means": [10**400]}}, "dataset.json: damaged: means should be features = 1"),
        ({"spec": {**MEASURED, "classes": 0}, "classes": []}, "dataset.json: damaged: classes is 0"),
    ],
)
def test_a_damaged_file(change: dict[str, Any], message: str, tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    dataset_info.keep(build(tiny()), folder)
    write_json(folder.dataset, read_json(folder.dataset) | change)
    with pytest.raises(UserError, match=message):
        dataset_info.read(tmp_path)


def test_a_vocabulary_of_another_run(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    dataset_info.keep(build(tiny()), folder)
    of_text = {"kind": "text", "unit": "character", "vocabulary": 4}
    write_json(folder.dataset, read_json(folder.dataset) | {"spec": of_text, "classes": []})
    vocabulary.characters(["abcd"]).save(folder.vocabulary, "1")
    assert dataset_info.read(tmp_path).vocabulary is not None
    vocabulary.characters(["abc"]).save(folder.vocabulary, "1")
    with pytest.raises(UserError, match="its vocabulary is of 3 characters, and should be of 4 characters"):
        dataset_info.read(tmp_path)


def test_a_summary_that_is_none(tiny: Tiny, tmp_path: Path) -> None:
    """Whatever it holds, it is no traceback."""
    folder, job = RunFolder(tmp_path), build(tiny())
    write_json(folder.summary, {"dataset": ["no"]})
    dataset_info.check(job, folder)
    write_json(folder.summary, {"dataset": {"version": "another"}})
    with pytest.raises(UserError, match="trained on version another"):
        dataset_info.check(job, folder)
