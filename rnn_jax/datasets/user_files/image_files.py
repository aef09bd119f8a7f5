"""A user's images with one label each: four IDX files with MNIST's names, or folders of PNG and JPEG files.

A folder has one folder of images for each class, named as the class, or such folders in `train`, `test` and
optionally `validation`. Examples are in the order of their file names, regardless of the folder.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets import idx, prepared
from rnn_jax.datasets.dataset import Dataset, Splits, take
from rnn_jax.datasets.safe_reading import require_inside, sha256
from rnn_jax.datasets.splitting import number_classes, split_rows
from rnn_jax.datasets.user_files import pictures
from rnn_jax.datasets.user_files.paths import existing_path
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

_FORMAT = 1  # part of the version of the data: increase it when the same files are read differently
_IDX_VALIDATION = 12
"""By default, the first twelfth of the training images in IDX files is for validation, as 5,000 of MNIST's
60,000."""
_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


def load_idx(*, folder: str, validation_examples: int | None) -> Dataset:
    """Load four IDX files with MNIST's names, gzipped or not.

    `validation_examples` training images, the first ones, are for validation; None: a twelfth of them.

    Raises:
        UserError: a file is missing or invalid, or no training image is left.
    """
    place = existing_path("dataset.folder", folder, folder=True)
    paths = {
        split: (_idx_path(place, images), _idx_path(place, labels))
        for split, (images, labels) in idx.FILES.items()
    }
    train, test = (idx.read_pair(*paths[split]) for split in ("train", "test"))
    (height, width), found = train["inputs"].shape[1:], test["inputs"].shape[1:]
    if found != (height, width):
        raise UserError(
            f"{paths['test'][0]}: has images of {found[0]}x{found[1]} pixels: must be {height}x{width}"
        )
    count = len(train["targets"])
    validation = count // _IDX_VALIDATION if validation_examples is None else validation_examples
    _check_validation(validation, count, place)
    wrong = np.flatnonzero(~np.isin(test["targets"], train["targets"]))
    if wrong.size:
        label = test["targets"][wrong[0]]
        raise UserError(f"{paths['test'][1]}: label {wrong[0]} is {label}, which no training image has")
    classes = tuple(str(number) for number in range(1 + int(train["targets"].max())))
    digest = prepared.digest_of([sha256(path) for pair in paths.values() for path in pair])
    splits = {
        "train": take(train, np.arange(validation, count)),
        "validation": take(train, np.arange(validation)),
        "test": test,
    }
    spec = idx.image_spec(height, width, len(classes))
    return Dataset(prepared.version_of(digest), spec, splits, classes=classes)


def _idx_path(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.is_file():
            return require_inside(folder, path)
    raise UserError(f"dataset.folder = {folder}: has no {name}, gzipped or not; idx needs MNIST's four files")


def _check_validation(validation: int, count: int, place: Path) -> None:
    if validation >= count:
        raise UserError(
            f"dataset.validation_examples = {validation}: must be less than the {count:,} training images of "
            f"{place}"
        )
    if validation == 0:
        raise UserError(f"{place}: has {count:,} training images: too few to validate with a twelfth of them")


class LabelledPath(NamedTuple):
    """An image file and its class."""

    path: Path
    label: str


def load_image_folder(*, folder: str, validation_examples: int | None, data_dir: str | None) -> Dataset:
    """Load a folder of images for each class.

    The first `validation_examples` training images are for validation; None: the folder `validation`, or a
    stratified tenth. Without a folder `test`, another tenth is for test.

    Raises:
        UserError: an image cannot be read, or has another size; a class has one image.
        StorageError: the disk is full.
    """
    place = existing_path("dataset.folder", folder, folder=True)
    found, others = _find_images(place)
    contents = {
        split: [[str(image.path.relative_to(place)), sha256(image.path)] for image in images]
        for split, images in found.items()
    }
    digest = prepared.digest_of([_FORMAT, contents, validation_examples])
    made = prepared.prepare(
        "image_folder",
        digest,
        data_dir,
        str(place),
        lambda target: _prepare(found, validation_examples, place, target),
    )
    classes = prepared.load_strings(made / "about.json", "classes")
    splits = prepared.load_arrays(made / "arrays.npz", ("inputs", "targets"))
    height, width = splits["train"]["inputs"].shape[1:]
    notes = (f"{others:,} files other than PNG or JPEG left out",) if others else ()
    spec = idx.image_spec(height, width, len(classes))
    return Dataset(prepared.version_of(digest), spec, splits, None, classes, notes)


def _find_images(place: Path) -> tuple[dict[str, list[LabelledPath]], int]:
    """Return the images of each split that has a folder, and the number of other files."""
    folders = {
        split: place / name for split, names in _FOLDERS.items() for name in names if (place / name).is_dir()
    }
    if "train" not in folders:
        folders = {"train": place}
    found, others = {}, 0
    for split, folder in folders.items():
        images = []
        for path in folder.glob("*/*"):
            if path.suffix.lower() in pictures.SUFFIXES and path.is_file():
                images.append(LabelledPath(require_inside(place, path), path.parent.name))
            else:
                others += not path.name.startswith(".")
        if not images:
            raise UserError(f"{folder}: must contain a folder of PNG or JPEG files for each class")
        found[split] = sorted(images, key=lambda image: (image.path.name, image.label))
    return found, others


def _prepare(
    found: dict[str, list[LabelledPath]], validation_examples: int | None, place: Path, target: Path
) -> None:
    labels = {split: [image.label for image in images] for split, images in found.items()}
    classes, targets = number_classes(labels, dict.fromkeys(found, place))
    rows = _split_rows(targets, classes, validation_examples, place)
    inputs = _read_images([image.path for images in found.values() for image in images])
    parts = np.split(inputs, np.cumsum([len(images) for images in found.values()])[:-1])
    splits: Splits = {
        split: {"inputs": part, "targets": targets[split]} for split, part in zip(found, parts, strict=True)
    }
    splits |= {split: take(splits["train"], own) for split, own in rows.items()}
    prepared.save_arrays(target / "arrays.npz", splits)
    write_json(target / "about.json", {"classes": classes})


def _split_rows(
    targets: dict[str, np.ndarray], classes: tuple[str, ...], validation_examples: int | None, place: Path
) -> dict[str, np.ndarray]:
    """Return the rows of train for training, and for the splits that have no folder."""
    missing = [split for split in ("validation", "test") if split not in targets]
    if validation_examples is None:
        return split_rows(targets["train"], classes, missing, place)
    if missing != ["validation"]:
        raise UserError(
            f"dataset.validation_examples = {validation_examples}: must be None, unless {place} has train "
            "and test, and no validation"
        )
    rows = np.arange(len(targets["train"]))
    _check_validation(validation_examples, len(rows), place)
    return {"train": rows[validation_examples:], "validation": rows[:validation_examples]}


def _read_images(paths: list[Path]) -> np.ndarray:
    """Return the images [images, height, width], all of one size."""
    images = pictures.read_all(paths)
    height, width = images[0].shape
    for path, image in zip(paths, images, strict=True):
        if image.shape != (height, width):
            raise UserError(
                f"{path}: has {image.shape[1]}x{image.shape[0]} pixels: must be {width}x{height}, the size "
                f"of {paths[0]}"
            )
    return np.stack(images)
