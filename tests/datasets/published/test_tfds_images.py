"""Image sets of TensorFlow Datasets by their names: sets that the tests prepare themselves."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.published import images
from rnn_jax.runtime.errors import UserError

COUNTS = {"train": 40, "test": 6}
RANDOM = np.random.default_rng(0)
PICTURES = {
    split: RANDOM.integers(256, size=(count, 5, 4, 3)).astype(np.uint8) for split, count in COUNTS.items()
}


def png(picture: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return io.BytesIO(file.getvalue())


class Prepared(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set as its author would have made it; what differs between those below are its pictures."""

    VERSION = tfds.core.Version("1.2.0")
    COLOUR = True

    def _info(self) -> Any:
        shape = (None, None, 3 if self.COLOUR else 1)
        features = {
            "image": tfds.features.Image(shape=shape),
            "label": tfds.features.ClassLabel(names=["cat", "dog"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in COUNTS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, picture in enumerate(PICTURES[split]):
            shown = picture if self.COLOUR else picture[:, :, 0]
            yield f"{number:03}", {"image": png(self._cut(number, shown)), "label": number % 2}

    def _cut(self, number: int, picture: np.ndarray) -> np.ndarray:
        return picture


class ColouredPets(Prepared):
    """Pictures in colour."""


class GreyPets(Prepared):
    """Pictures in grey."""

    COLOUR = False


class LargeAndSmallPets(Prepared):
    """Pictures of two sizes."""

    def _cut(self, number: int, picture: np.ndarray) -> np.ndarray:
        return picture[: 5 - number % 2]


class Talk(Prepared):
    """No pictures."""

    def _info(self) -> Any:
        features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["cat", "dog"])}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        yield split, {"text": "a text", "label": 0}


def prepare(kind: type[Prepared], tmp_path: Path) -> None:
    kind(data_dir=tmp_path / "data", file_format="array_record").download_and_prepare()


def load(name: str, tmp_path: Path) -> Dataset:
    return datasets.build_dataset(name=f"tfds:{name}", batch_size=4, data_dir=str(tmp_path / "data"))


@pytest.mark.parametrize("kind", [ColouredPets, GreyPets])
def test_a_set_by_its_name(kind: type[Prepared], tmp_path: Path) -> None:
    prepare(kind, tmp_path)
    name = {"ColouredPets": "coloured_pets", "GreyPets": "grey_pets"}[kind.__name__]
    found = load(name, tmp_path)
    assert (found.name, found.version, found.classes) == (f"tfds:{name}", "1.2.0", ("cat", "dog"))
    assert found.counts == {"train": 36, "validation": 4, "test": 6}
    assert found.spec == {"kind": "image", "height": 5, "width": 4, "classes": 2, "maximum": 255}
    assert np.bincount(found.splits["validation"]["targets"]).tolist() == [2, 2]
    expected = {picture.tobytes(): number % 2 for number, picture in enumerate(in_grey(kind, "test"))}
    assert len(expected) == 6
    for image, target in zip(*found.splits["test"].values(), strict=True):
        assert expected.pop(image.tobytes()) == target
    everything = np.concatenate([found.splits[split]["inputs"] for split in ("train", "validation")])
    assert sorted(map(bytes, everything)) == sorted(map(bytes, in_grey(kind, "train")))


def in_grey(kind: type[Prepared], split: str) -> np.ndarray:
    if not kind.COLOUR:
        return PICTURES[split][:, :, :, 0]
    red, green, blue = np.moveaxis(PICTURES[split].astype(float), -1, 0)
    return np.rint(0.299 * red + 0.587 * green + 0.114 * blue).astype(np.uint8)


def test_sets_that_will_not_do(tmp_path: Path) -> None:
    prepare(LargeAndSmallPets, tmp_path)
    with pytest.raises(UserError, match=r"dataset.name = tfds:large_and_small_pets: has images of several"):
        load("large_and_small_pets", tmp_path)
    prepare(Talk, tmp_path)
    with pytest.raises(UserError, match=r"tfds:talk: has text, label: must have an image and a class label"):
        load("talk", tmp_path)
    with pytest.raises(UserError, match=r"dataset.name = tfds:mnits: TFDS cannot find it"):
        load("mnits", tmp_path)


class Records(list[dict[str, Any]]):
    """A data source of TFDS."""

    def as_data_source(self, split: str) -> "Records":
        del split
        return self

    def __getitems__(self, rows: Iterable[int]) -> list[dict[str, Any]]:
        return [self[row] for row in rows]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_transparent_pixels_are_white(channels: int) -> None:
    values = RANDOM.integers(256, size=(3, 5, 4, channels)).astype(np.uint8)
    found = images._read(
        Records({"image": each, "label": 0} for each in values), "train", "image", "label", ""
    )
    share = values[..., -1] / 255 if channels in (2, 4) else 1.0
    colours = values[..., : 3 if channels > 2 else 1].astype(float)
    grey = colours @ [0.299, 0.587, 0.114] if channels > 2 else colours[..., 0]
    np.testing.assert_array_equal(found["inputs"], np.rint(grey * share + 255 * (1 - share)))


def test_images_of_16_bits_are_an_error() -> None:
    records = Records([{"image": np.full((5, 4, 1), 300, np.uint16), "label": 0}])
    with pytest.raises(UserError, match=r"tfds:x: has images of uint16: must be uint8"):
        images._read(records, "train", "image", "label", "tfds:x")
