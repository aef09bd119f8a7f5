"""A user's images with one label each: four IDX files with MNIST's names, or folders of PNG and JPEG files.

A folder has one folder of images for each class, named as the class, or such folders in `train`, `test` and
optionally `validation`. Examples are in the order of their file names, regardless of the folder.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from rnn_jax.datasets import idx, prepared
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.safe_reading import existing_path, require_inside, sha256
from rnn_jax.datasets.splitting import add_missing_splits, fold_splits, hold_out_first, number_classes
from rnn_jax.datasets.user_files import pictures
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

_FORMAT = 2  # part of the version of the data: increase it when the same files are read differently
_IDX_VALIDATION = 12  # by default, the first twelfth is for validation, as 5,000 of MNIST's 60,000
_VALIDATION_FOLDERS = ("validation", "val", "valid")
_FOLDERS = {"train": ("train", "training"), "validation": _VALIDATION_FOLDERS, "test": ("test", "testing")}


def load_idx(
    *,
    folder: str,
    validation_examples: int | None,
    validation_folds: int | None = None,
    validation_fold: int | None = None,
) -> Dataset:
    """Load four IDX files with MNIST's names, gzipped or not; raise UserError if one is missing or invalid.

    `validation_examples` training images, the first ones, are for validation; None: a twelfth of them.
    """
    place = existing_path("dataset.folder", folder, folder=True)
    paths = {
        split: (_idx_path(place, images), _idx_path(place, labels))
        for split, (images, labels) in idx.FILES.items()
    }
    train = idx.read_pair(*paths["train"])
    count, height, width = train["inputs"].shape
    test = idx.read_pair(*paths["test"], idx.image_spec(height, width, 256))
    validation = count // _IDX_VALIDATION if validation_examples is None else validation_examples
    _check_validation(validation, count, place)
    wrong = np.flatnonzero(~np.isin(test["targets"], train["targets"]))
    if wrong.size:
        label = test["targets"][wrong[0]]
        raise UserError(f"{paths['test'][1]}: label {wrong[0]} is {label}, which no training image has")
    classes = tuple(str(number) for number in range(1 + int(train["targets"].max())))
    version = prepared.version_of([sha256(path) for pair in paths.values() for path in pair])
    spec = idx.image_spec(height, width, len(classes))
    splits = {**hold_out_first(train, validation), "test": test}
    splits = fold_splits(splits, validation_folds, validation_fold, place)
    return Dataset(version, spec, splits, classes=classes)


def _idx_path(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.is_file():
            return require_inside(folder, path)
    raise UserError(f"dataset.folder = {folder}: has no {name}, gzipped or not; idx needs MNIST's four files")


def _check_validation(validation: int, count: int, place: Path) -> None:
    if validation >= count:
        key = f"dataset.validation_examples = {validation}"
        raise UserError(f"{key}: must be less than the {count:,} training images of {place}")
    if validation == 0:
        raise UserError(f"{place}: has {count:,} training images: too few to validate with a twelfth of them")


def load_image_folder(
    *,
    folder: str,
    validation_examples: int | None,
    validation_folds: int | None = None,
    validation_fold: int | None = None,
    data_dir: str | None = None,
) -> Dataset:
    """Load a folder of images for each class; raise UserError if an image is invalid or has another size.

    The first `validation_examples` training images are for validation; None: the folder `validation`, or a
    stratified tenth. Without a folder `test`, another tenth is for test.
    """
    place = existing_path("dataset.folder", folder, folder=True)
    found, others = _find_images(place)
    if validation_folds is not None and "validation" in found:
        key = f"dataset.validation_folds = {validation_folds}"
        raise UserError(f"{key}: must be None, since {place} has a folder of validation images")
    contents = {
        split: [[str(path.relative_to(place)), sha256(path)] for path in own] for split, own in found.items()
    }
    values = [_FORMAT, contents, validation_examples]
    write = partial(_prepare, found, validation_examples, place)
    made, version = prepared.prepare("image_folder", values, data_dir, str(place), write)
    classes = prepared.load_strings(made / "about.json", "classes")
    splits = prepared.load_arrays(made / "arrays.npz", ("inputs", "targets"))
    splits = fold_splits(splits, validation_folds, validation_fold, place)
    height, width = splits["train"]["inputs"].shape[1:]
    notes = (f"{others:,} files other than PNG or JPEG left out",) if others else ()
    return Dataset(version, idx.image_spec(height, width, len(classes)), splits, None, classes, notes)


def _find_images(place: Path) -> tuple[dict[str, list[Path]], int]:
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
                images.append(require_inside(place, path))
            else:
                others += not path.name.startswith(".")
        if not images:
            raise UserError(f"{folder}: must contain a folder of PNG or JPEG files for each class")
        found[split] = sorted(images, key=lambda path: (path.name, path.parent.name))
    return found, others


def _prepare(
    found: Mapping[str, list[Path]], validation_examples: int | None, place: Path, folder: Path, _version: str
) -> None:
    labels = {split: [path.parent.name for path in paths] for split, paths in found.items()}
    classes, targets = number_classes(labels, dict.fromkeys(found, place))
    paths = [path for own in found.values() for path in own]
    numbers = np.split(np.arange(len(paths)), np.cumsum([len(own) for own in found.values()])[:-1])
    inputs = dict(zip(found, numbers, strict=True))
    splits = {split: {"inputs": inputs[split], "targets": targets[split]} for split in found}
    if validation_examples is None:
        splits |= add_missing_splits(splits, classes, place)
    elif found.keys() == {"train", "test"}:
        _check_validation(validation_examples, len(found["train"]), place)
        splits |= hold_out_first(splits["train"], validation_examples)
    else:
        key = f"dataset.validation_examples = {validation_examples}"
        raise UserError(f"{key}: must be None, unless {place} has train and test, and no validation")
    images = pictures.read_all(paths)
    height, width = images[0].shape
    for path, image in zip(paths, images, strict=True):
        if image.shape != (height, width):
            size = f"{image.shape[1]}x{image.shape[0]}"
            raise UserError(f"{path}: has {size} pixels: must be {width}x{height}, the size of {paths[0]}")
    pixels = np.stack(images)
    splits = {split: {**arrays, "inputs": pixels[arrays["inputs"]]} for split, arrays in splits.items()}
    prepared.save_arrays(folder / "arrays.npz", splits)
    write_json(folder / "about.json", {"classes": classes})
