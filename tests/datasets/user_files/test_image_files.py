"""A user's images: IDX files, folders of pictures, and the conversion of pictures."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import COUNTS, idx, images_name, labels_name, write_files
from PIL import Image

from rnn_jax import datasets
from rnn_jax.config.run_folder import RunFolder
from rnn_jax.datasets import dataset_info
from rnn_jax.datasets.dataset import Dataset, Splits, describe
from rnn_jax.datasets.user_files import pictures
from rnn_jax.runtime.errors import UserError


def load(name: str, folder: Path, tmp_path: Path, **changes: Any) -> Dataset:
    keys = {"name": name, "batch_size": 4, "folder": str(folder), "data_dir": str(tmp_path / "data")}
    return datasets.build_dataset(**keys | changes)


def write_pictures(folder: Path, contents: Splits) -> None:
    """The images of IDX files as pictures, named by their numbers, in folders of their classes."""
    for split, arrays in contents.items():
        for number, (image, label) in enumerate(zip(arrays["inputs"], arrays["targets"], strict=True)):
            path = folder / split / str(label) / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def assert_equal(first: Dataset, second: Dataset) -> None:
    assert (first.spec, first.classes) == (second.spec, second.classes)
    for split, arrays in first.splits.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, second.splits[split][name])
            assert array.dtype == second.splits[split][name].dtype


def test_idx_files_are_split_like_mnist(tmp_path: Path) -> None:
    contents = write_files(tmp_path / "idx")
    found = load("idx", tmp_path / "idx", tmp_path)
    assert found.counts == {"train": 500 - 41, "validation": 41, "test": 6}  # the first twelfth
    assert found.classes == ("0", "1", "2")
    np.testing.assert_array_equal(found.splits["validation"]["inputs"], contents["train"]["inputs"][:41])
    np.testing.assert_array_equal(found.splits["train"]["targets"], contents["train"]["targets"][41:])
    assert load("idx", tmp_path / "idx", tmp_path, validation_examples=7).counts["validation"] == 7
    for path in list((tmp_path / "idx").iterdir()):  # not packed: the same
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert_equal(load("idx", tmp_path / "idx", tmp_path), found)
    for path in list((tmp_path / "idx").iterdir()):  # the names in some copies
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert_equal(load("idx", tmp_path / "idx", tmp_path), found)


def test_pictures_are_the_same_images(tmp_path: Path) -> None:
    write_pictures(tmp_path / "png", write_files(tmp_path / "idx"))
    as_idx = load("idx", tmp_path / "idx", tmp_path, validation_examples=41)
    as_pictures = load("image_folder", tmp_path / "png", tmp_path, validation_examples=41)
    assert_equal(as_pictures, as_idx)
    again = load("image_folder", tmp_path / "png", tmp_path, validation_examples=41)  # from the prepared data
    assert_equal(again, as_idx)
    assert again.version == as_pictures.version


def test_missing_splits_of_folders_are_stratified(tmp_path: Path) -> None:
    write_pictures(tmp_path / "png", write_files(tmp_path / "idx"))
    found = load("image_folder", tmp_path / "png", tmp_path)
    assert found.counts == {"train": 450, "validation": 50, "test": 6}
    counts = np.bincount(found.splits["validation"]["targets"])
    shares = np.bincount(np.concatenate([found.splits[s]["targets"] for s in ("train", "validation")])) / 10
    assert np.abs(counts - shares).max() <= 1
    (tmp_path / "png" / "train" / "0" / "notes.txt").write_text("no picture")
    (tmp_path / "png" / "train" / "0" / ".hidden").write_text("the system's")
    found = load("image_folder", tmp_path / "png" / "train", tmp_path)
    assert found.counts == {"train": 400, "validation": 50, "test": 50}
    assert found.notes == ("1 other file not used",)


def test_folders_may_be_called_training_and_testing(tmp_path: Path) -> None:
    write_pictures(tmp_path / "png", write_files(tmp_path / "idx"))
    found = load("image_folder", tmp_path / "png", tmp_path)
    for split in ("train", "test"):
        (tmp_path / "png" / split).rename(tmp_path / "png" / f"{split}ing")
    assert_equal(load("image_folder", tmp_path / "png", tmp_path), found)


def square(path: Path, size: tuple[int, int] = (4, 3), value: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)


def some(folder: Path, classes: str = "ab", count: int = 20) -> Path:
    for label in classes:
        for number in range(count):
            square(folder / label / f"{label}{number}.png")
    return folder


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"dataset.folder = nowhere: no such folder; set --config.dataset.folder="
    ):
        load("image_folder", Path("nowhere"), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: must contain a folder of PNG or JPEG files for each class"):
        load("image_folder", tmp_path / "empty", tmp_path)
    with pytest.raises(UserError, match=r"has one class, 'a': must have at least two"):
        load("image_folder", some(tmp_path / "one", "a"), tmp_path)
    square(some(tmp_path / "single") / "c" / "c.png")
    with pytest.raises(UserError, match=r"single: the class 'c' has one example"):
        load("image_folder", tmp_path / "single", tmp_path)
    square(some(tmp_path / "sizes") / "a" / "z.png", (5, 3))
    with pytest.raises(UserError, match=r"z.png: has 5x3 pixels: must be 4x3, the size of .*a0.png"):
        load("image_folder", tmp_path / "sizes", tmp_path)
    (some(tmp_path / "damaged") / "a" / "z.png").write_bytes(b"\x89PNG nothing\0")
    with pytest.raises(
        UserError, match=r"z.png: is a binary file of an unknown format, not a PNG or JPEG file"
    ):
        load("image_folder", tmp_path / "damaged", tmp_path)
    square(some(tmp_path / "tested" / "train").parent / "test" / "c" / "1.png")
    with pytest.raises(UserError, match=r"the class 'c' is in test, but not in train"):
        load("image_folder", tmp_path / "tested", tmp_path)
    with pytest.raises(UserError, match=r"validation_examples = 5: must be None, unless .* has train and"):
        load("image_folder", some(tmp_path / "plain"), tmp_path, validation_examples=5)
    assert not list((tmp_path / "data").glob("rnn_jax_image_folder/*"))


def test_wrong_idx_files(tmp_path: Path) -> None:
    write_files(tmp_path / "idx")
    with pytest.raises(UserError, match=r"validation_examples = 500: must be less than the 500 training"):
        load("idx", tmp_path / "idx", tmp_path, validation_examples=COUNTS["train"])
    (tmp_path / "idx" / images_name("test")).write_bytes(idx(np.zeros((6, 5, 3))))
    with pytest.raises(UserError, match=r"t10k-images.*: has images of 5x3 pixels: must be 4x3"):
        load("idx", tmp_path / "idx", tmp_path)
    (tmp_path / "idx" / labels_name("train")).unlink()
    with pytest.raises(
        UserError, match=r"has no train-labels-idx1-ubyte.gz, gzipped or not; idx needs MNIST's"
    ):
        load("idx", tmp_path / "idx", tmp_path)


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """Archives made on Windows: the names are bytes of a code page."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bilder\x81"))
    for label in (b"caf\x82", b"th\x82"):
        for number in range(20):
            square(folder / os.fsdecode(label) / os.fsdecode(b"\x84%d.png" % number), value=number)
    found = load("image_folder", folder, tmp_path)
    assert found.classes == ("caf\\x82", "th\\x82")
    assert load("image_folder", folder, tmp_path).version == found.version
    "\n".join(describe(found).values()).encode()
    (tmp_path / "run").mkdir()
    dataset_info.save(found, RunFolder(tmp_path / "run"), has_checkpoint=False)
    assert dataset_info.load(tmp_path / "run").classes == found.classes
    (folder / os.fsdecode(b"th\x82") / os.fsdecode(b"\x84.png")).write_bytes(b"")
    with pytest.raises(UserError, match=r"is an empty file, not a PNG or JPEG file"):
        load("image_folder", folder, tmp_path)


GREYS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def test_every_kind_of_picture_is_read_in_grey(tmp_path: Path) -> None:
    grey = Image.fromarray(GREYS)
    kinds = {
        "grey.png": grey,
        "colour.png": grey.convert("RGB"),
        "palette.png": grey.convert("P"),
        "opaque.png": grey.convert("RGBA"),
        "black and white.png": grey.convert("1"),
    }
    for name, picture in kinds.items():
        picture.save(tmp_path / name)
        expected = np.asarray(grey.convert("1").convert("L")) if "white" in name else GREYS
        np.testing.assert_array_equal(pictures.read(tmp_path / name), expected)
    grey.save(tmp_path / "a.jpg", quality=100)
    assert np.abs(pictures.read(tmp_path / "a.jpg").astype(int) - GREYS).max() <= 3
    clear = Image.new("RGBA", (4, 3), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert (pictures.read(tmp_path / "clear.png") == 255).all()


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"])
def test_other_files_than_pictures_are_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a.png: "):
        pictures.read(tmp_path / "a.png")


def test_a_picture_cut_off(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(256, size=(90, 90)).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:4_000])
    with pytest.raises(UserError, match=r"a.png: "):
        pictures.read(tmp_path / "a.png")


@pytest.mark.parametrize("times", [1, 2, 3, 7])
@pytest.mark.parametrize("maximum", [16, 255])
def test_a_larger_picture_is_the_image_again(times: int, maximum: int) -> None:
    image = np.random.default_rng(times).integers(maximum + 1, size=(8, 8)).astype(np.uint8)
    image[[0, -1]], image[:, [0, -1]] = 0, 0
    larger = np.rint(image * (255 / maximum)).astype(np.uint8).repeat(times, axis=0).repeat(times, axis=1)
    np.testing.assert_array_equal(pictures.fit(larger, 8, 8, maximum), image)
    inverted = pictures.fit(255 - larger, 8, 8, maximum)
    np.testing.assert_allclose(inverted, maximum - image.astype(int), atol=1)


def test_another_shape_is_filled_up_with_its_background() -> None:
    wide = np.full((4, 8), 200, np.uint8)
    wide[1:3, 2:6] = 0
    found = pictures.fit(wide, 8, 8, 255)
    assert (found[:2] == 255).all()
    assert (found[6:] == 255).all()
    np.testing.assert_array_equal(found[2:6], wide)
    assert pictures.fit(255 - wide, 8, 8, 255)[0, 0] == 0


def test_the_background_is_that_of_most_images() -> None:
    dark = np.zeros((20, 5, 5), np.uint8)
    dark[:, 2, 2] = 255
    assert pictures.background_of(dark, 255) == "dark"
    assert pictures.background_of(255 - dark, 255) == "light"
    assert pictures.background_of(np.concatenate([dark, 255 - dark]), 255) == "mixed"
    assert pictures.background_of(dark // 16 + 15, 16) == "light"
