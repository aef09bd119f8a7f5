"""The dataset info in a run folder, and data that changed after training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.datasets import dataset_info, vocabulary
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.main import main
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, write_json

IMAGES = {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}
MEASURED = {"kind": "sequences", "features": 1, "means": [0.0], "deviations": [1.0], "classes": 10}


def images(value: int = 3) -> Dataset:
    arrays = {"inputs": np.full((20, 8, 8), value, np.uint8), "targets": np.arange(20, dtype=np.int32) % 10}
    splits = {"train": arrays, "validation": arrays, "test": arrays}
    return Dataset("dots", "1", IMAGES, splits, 4, classes=tuple("0123456789"))


def test_saved_info_loads_again(tmp_path: Path) -> None:
    data = images()
    dataset_info.save(data, RunFolder(tmp_path), has_checkpoint=False)
    info = dataset_info.load(tmp_path)
    assert (info.name, info.spec, info.classes) == (data.name, data.spec, data.classes)
    assert info.vocabulary is None


@pytest.mark.parametrize(("value", "background"), [(0, "dark"), (16, "light")])
def test_the_background_is_that_of_the_training_images(value: int, background: str, tmp_path: Path) -> None:
    dataset_info.save(images(value), RunFolder(tmp_path), has_checkpoint=False)
    assert dataset_info.load(tmp_path).background == background


def written(folder: Path, shift: int = 0) -> str:
    lines = [f"{number % 2}\tword{number % 2 + shift} a b" for number in range(40)]
    (folder / "a.tsv").write_text("\n".join(["label\ttext", *lines]))
    return str(folder / "a.tsv")


def test_a_run_rejects_data_that_changed_after_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file has changed: resuming and evaluating both fail."""
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
        ({"background": "green"}, "dataset.json: damaged: background = 'green'"),
        ({"classes": [1] * 10}, "dataset.json: damaged: the class names must be strings"),
        ({"classes": ["a"]}, "dataset.json: damaged: has the names of 1 classes, of 10"),
        ({"spec": {"kind": "sound"}}, "dataset.json: damaged: its kind of data is 'sound'"),
        ({"spec": {**IMAGES, "height": 10**9}}, "dataset.json: damaged: height is 1000000000"),
        ({"spec": {**IMAGES, "maximum": True}}, "dataset.json: damaged: maximum is True"),
        ({"spec": {**MEASURED, "deviations": [0.0]}}, "dataset.json: damaged: deviations should be features"),
        ({"spec": {**MEASURED, "means": [10**400]}}, "dataset.json: damaged: means should be features = 1"),
        ({"spec": {**MEASURED, "classes": 0}, "classes": []}, "dataset.json: damaged: classes is 0"),
    ],
)
def test_damaged_info_is_an_error(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    dataset_info.save(images(), folder, has_checkpoint=False)
    write_json(folder.dataset, read_json(folder.dataset) | change)
    with pytest.raises(UserError, match=message):
        dataset_info.load(tmp_path)


def test_the_vocabulary_of_another_run_is_an_error(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    dataset_info.save(images(), folder, has_checkpoint=False)
    of_text = {"kind": "text", "unit": "character", "vocabulary": 4}
    write_json(folder.dataset, read_json(folder.dataset) | {"spec": of_text, "classes": []})
    vocabulary.characters(["abcd"]).save(folder.vocabulary, "1")
    assert dataset_info.load(tmp_path).vocabulary is not None
    vocabulary.characters(["abc"]).save(folder.vocabulary, "1")
    with pytest.raises(UserError, match="its vocabulary is of 3 characters, and should be of 4 characters"):
        dataset_info.load(tmp_path)


def test_without_dataset_json_the_summary_has_the_version(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_json(folder.summary, {"dataset": ["no"]})
    dataset_info.check_version(images(), folder)
    write_json(folder.summary, {"dataset": {"version": "another"}})
    with pytest.raises(UserError, match="trained on version another"):
        dataset_info.check_version(images(), folder)
