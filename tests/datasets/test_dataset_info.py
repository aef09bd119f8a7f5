"""The dataset info in a run folder, and data that changed after training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax.config.run_folder import RunFolder
from rnn_jax.datasets import dataset_info
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.vocabulary import learn_characters
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, write_json

IMAGES = {"kind": "image", "height": 8, "width": 8, "classes": 10, "maximum": 16}
MEASURED = {"kind": "sequences", "features": 1, "means": [0.0], "deviations": [1.0], "classes": 10}


def images(value: int = 3) -> Dataset:
    arrays = {"inputs": np.full((20, 8, 8), value, np.uint8), "targets": np.arange(20, dtype=np.int32) % 10}
    splits = {"train": arrays, "validation": arrays, "test": arrays}
    return Dataset("1", IMAGES, splits, classes=tuple("0123456789"), name="dots", batch_size=4)


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


def test_a_run_rejects_data_that_changed_after_training(tmp_path: Path) -> None:
    """Neither resuming nor evaluating accepts another version, and nothing is overwritten."""
    folder, data = RunFolder(tmp_path), images()._replace(vocabulary=learn_characters(["abc"]))
    dataset_info.save(data, folder, has_checkpoint=False)
    write_json(folder.summary, {"dataset": {"version": data.version}})
    changed = data._replace(version="2", vocabulary=learn_characters(["abcd"]))
    for file in (folder.dataset, folder.vocabulary, folder.summary):
        before = {path: path.read_bytes() for path in tmp_path.glob("*.json")}
        for reject in (
            lambda: dataset_info.check_version(changed, folder),
            lambda: dataset_info.save(changed, folder, has_checkpoint=True),
        ):
            with pytest.raises(UserError, match="trained on version 1 of dots, but the data have version 2"):
                reject()
        dataset_info.check_version(data, folder)
        assert {path: path.read_bytes() for path in tmp_path.glob("*.json")} == before
        file.unlink()
    dataset_info.check_version(changed, folder)  # no file has a version
    write_json(folder.summary, {"dataset": ["no"]})
    dataset_info.check_version(changed, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": None}, "dataset.json: damaged"),
        ({"classes": "abc"}, "dataset.json: damaged"),
        ({"background": "green"}, "dataset.json: damaged: background = 'green'"),
        ({"classes": [1] * 10}, "dataset.json: damaged: the class names must be strings"),
        ({"classes": ["a"]}, "dataset.json: damaged: has 1 class names: must be classes = 10"),
        ({"spec": {"kind": "sound"}}, "dataset.json: damaged: kind = 'sound': must be one of image"),
        ({"spec": {"kind": "a" * 9000}}, "kind = 'aaa.{1,60}: must be one of image"),
        ({"background": "a" * 9000}, "background = 'aaa.{1,60}: dark"),
        ({"spec": {**IMAGES, "height": 10**9}}, "dataset.json: damaged: height = 1000000000: .* 16384"),
        ({"spec": {**IMAGES, "maximum": True}}, "dataset.json: damaged: maximum = True: .* integer"),
        (
            {"spec": {**MEASURED, "deviations": [0.0]}},
            "deviations.0 = 0.0: .* greater than 0",
        ),
        ({"spec": {**MEASURED, "means": [10**400]}}, "dataset.json: damaged: means.0 = 1000"),
        (
            {"spec": {**MEASURED, "classes": 0}, "classes": []},
            "classes = 0: .* greater than or equal to 1",
        ),
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
    learn_characters(["abcd"]).save(folder.vocabulary, "1")
    assert dataset_info.load(tmp_path).vocabulary is not None
    learn_characters(["abc"]).save(folder.vocabulary, "1")
    with pytest.raises(UserError, match="the vocabulary has 3 characters: must be 4 characters"):
        dataset_info.load(tmp_path)
