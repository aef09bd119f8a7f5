"""Links out of folders are never followed, and prepared data is verified as a whole."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import idx, images_name, labels_name, write_files
from PIL import Image
from user_texts import load_text

from rnn_jax import datasets
from rnn_jax.datasets.published import builder
from rnn_jax.datasets.vocabulary import Vocabulary, learn_characters
from rnn_jax.runtime.errors import UserError


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("through", ["a file", "a folder"])
def test_links_out_of_a_folder_of_pictures_are_not_followed(through: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "pictures", tmp_path / "outside" / "b"
    for place in (folder / "a", folder / "b" if through == "a file" else folder, outside):
        for number in range(10):
            place.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 3), number).save(place / f"{number}.png")
    if through == "a file":
        (folder / "b" / "z.png").symlink_to(outside / "0.png")
    else:
        (folder / "b").symlink_to(outside)
    keys: dict[str, Any] = {"name": "image_folder", "batch_size": 2, "data_dir": str(tmp_path / "data")}
    with pytest.raises(UserError, match=r"/(b|z.png): leads out of .*pictures: must be inside"):
        datasets.build_dataset(folder=str(folder), **keys)
    (folder / "b" / "z.png" if through == "a file" else folder / "b").unlink()
    (tmp_path / "another").symlink_to(tmp_path / "pictures")  # what a person names may be a link
    if through == "a file":
        (folder / "b" / "z.png").symlink_to(folder / "a" / "0.png")  # inside
        assert sum(datasets.build_dataset(folder=str(tmp_path / "another"), **keys).counts.values()) == 21
    else:
        (folder / "b").symlink_to(outside)
        found = datasets.build_dataset(folder=str(folder), follow_links=True, **keys)
        assert (sum(found.counts.values()), found.classes) == (20, ("a", "b"))


def test_links_out_of_a_folder_of_idx_files_are_not_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "idx")
    path = tmp_path / "idx" / labels_name("test")
    path.symlink_to(path.rename(tmp_path / "outside.gz"))
    with pytest.raises(UserError, match=r"t10k-labels.*: leads out of .*idx.*dataset.follow_links=True"):
        datasets.build_dataset(name="idx", batch_size=2, folder=str(tmp_path / "idx"))
    datasets.build_dataset(name="idx", batch_size=2, folder=str(tmp_path / "idx"), follow_links=True)


def test_a_label_that_was_never_trained_on(tmp_path: Path) -> None:
    write_files(tmp_path / "idx")
    (tmp_path / "idx" / labels_name("test")).write_bytes(idx(np.array([0, 1, 2, 9, 0, 1])))
    with pytest.raises(UserError, match=r"t10k-labels.*: label 3 is 9, which no training image has"):
        datasets.build_dataset(name="idx", batch_size=2, folder=str(tmp_path / "idx"))


def test_links_out_of_a_run_folder_are_not_followed(tmp_path: Path) -> None:
    learn_characters(["abc"]).save(tmp_path / "outside.json", "1")
    assert Vocabulary.load(tmp_path / "outside.json").tokens == ("a", "b", "c")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "vocabulary.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(UserError, match=r"run/vocabulary.json: leads out of .*run"):
        Vocabulary.load(tmp_path / "run" / "vocabulary.json")


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a file less": lambda folder: (folder / "test.tokens").unlink(),
    "a file more": lambda folder: (folder / "more").write_bytes(b""),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a name that leads out": lambda folder: (folder / "manifest.json").write_text('{"../../../a.txt": "0"}'),
    "a link": lambda folder: (folder / "test.tokens").symlink_to(
        (folder / "test.tokens").rename(folder.parents[2] / "tokens")
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_prepared_data_is_an_error(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"the cat\n" * 30)
    load_text(path, "utf-8")
    (folder,) = (tmp_path / "data" / "rnn_jax_text").iterdir()
    DAMAGES[name](folder)
    with pytest.raises(UserError, match=rf"{folder.name}.*(damaged|cannot be read|leads out of)"):
        load_text(path, "utf-8")


def test_prepared_data_names_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TFDS imports the modules that features.json names."""
    monkeypatch.syspath_prepend(tmp_path)
    written(tmp_path / "harmful.py", b"raise SystemExit('harmed')")
    root = {"pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict"}
    within = {"pythonClassName": "harmful.Feature"}
    content = json.dumps({**root, "featuresDict": {"features": {"text": within}}}).encode()
    written(tmp_path / "own" / "1.0.0" / "features.json", content)
    with pytest.raises(UserError, match=r"features.json: damaged: 'harmful.Feature' is not one of TFDS's"):
        builder.check_features(tmp_path / "own" / "1.0.0")
    with pytest.raises(UserError, match=r"features.json: damaged: 'harmful.Feature' is not one of TFDS's"):
        datasets.build_dataset(name="tfds:own", batch_size=2, data_dir=str(tmp_path))
    assert "harmful" not in sys.modules


@pytest.mark.parametrize("name", ["kaggle:some/thing", "../own", "own/../../other", "/etc"])
def test_names_of_tfds(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must be one of TFDS's own names"):
        datasets.build_dataset(name=f"tfds:{name}", batch_size=2, data_dir=str(tmp_path))


def test_an_image_file_that_is_none(tmp_path: Path) -> None:
    write_files(tmp_path / "idx")
    (tmp_path / "idx" / images_name("test")).unlink()
    os.mkfifo(tmp_path / "idx" / images_name("test"))  # reading would wait for ever
    with pytest.raises(UserError, match=r"has no t10k-images-idx3-ubyte.gz"):
        datasets.build_dataset(name="idx", batch_size=2, folder=str(tmp_path / "idx"))
