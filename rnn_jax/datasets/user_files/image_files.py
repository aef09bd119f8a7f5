"""A user's images with one label each: four IDX files with MNIST's names, or folders of PNG and JPEG files.

`picture_folders.py` finds the splits and classes of a folder. Examples are in the order of their file names,
regardless of the folder.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.config.sections.dataset import ImageFolder
from rnn_jax.datasets import idx, prepared
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.file_kinds import require_kind
from rnn_jax.datasets.safe_reading import existing_path, read_json, require_inside, sha256
from rnn_jax.datasets.splitting import add_missing_splits, fold_splits, hold_out_first, number_classes
from rnn_jax.datasets.user_files import pictures
from rnn_jax.datasets.user_files.picture_folders import Picture, find_pictures
from rnn_jax.runtime.command import warn
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

_FORMAT = 2  # part of the version of the data: increase it when the same files are read differently
_IDX_VALIDATION = 12  # by default, the first twelfth is for validation, as 5,000 of MNIST's 60,000


def load_idx(
    *,
    folder: str,
    validation_examples: int | None,
    validation_folds: int | None = None,
    validation_fold: int | None = None,
    follow_links: bool = False,
) -> Dataset:
    """Load four IDX files with MNIST's names, gzipped or not; raise UserError if one is missing or invalid.

    `validation_examples` training images, the first ones, are for validation; None: a twelfth of them.
    """
    place = existing_path("dataset.folder", folder, folder=True)
    require_kind(place, "idx", f"dataset.folder = {folder}")
    paths = {
        split: (_idx_path(place, images, follow_links), _idx_path(place, labels, follow_links))
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


def _idx_path(folder: Path, name: str, follow_links: bool) -> Path:
    plain = name.removesuffix(".gz")
    for path in (folder / name, folder / plain, folder / plain.replace("-idx", ".idx")):  # in some copies
        if path.is_file():
            return path if follow_links else require_inside(folder, path, "dataset.follow_links")
    raise UserError(f"dataset.folder = {folder}: has no {name}, gzipped or not; idx needs MNIST's four files")


def _check_validation(validation: int, count: int, place: Path) -> None:
    if validation >= count:
        key = f"dataset.validation_examples = {validation}"
        raise UserError(f"{key}: must be less than the {count:,} training images of {place}")
    if validation == 0:
        raise UserError(f"{place}: has {count:,} training images: too few to validate with a twelfth of them")


def load_image_folder(*, data_dir: str | None, **keys: Any) -> Dataset:
    """Load a folder of images for each class, with the keys of the config section `ImageFolder`.

    The first `validation_examples` training images are for validation; None: the folder `validation`, or a
    stratified tenth. Without a folder `test`, another tenth is for test. Raises UserError if the layout of
    the folder is unclear, or an image is invalid or has another size.
    """
    options = ImageFolder.model_construct(**keys)
    place = existing_path("dataset.folder", options.folder, folder=True)
    require_kind(place, "image_folder", f"dataset.folder = {options.folder}")
    layout = find_pictures(place, follow_links=options.follow_links)
    if options.validation_folds is not None and "validation" in layout.splits:
        key = f"dataset.validation_folds = {options.validation_folds}"
        raise UserError(f"{key}: must be None, since {place} has a folder of validation images")
    contents = {
        split: [[str(picture.path.relative_to(place)), sha256(picture.path)] for picture in own]
        for split, own in layout.splits.items()
    }
    values = [_FORMAT, contents, options.validation_examples, options.background]
    write = partial(_prepare, layout.splits, options, place)
    made, version = prepared.prepare("image_folder", values, data_dir, str(place), write)
    classes = prepared.load_strings(made / "about.json", "classes")
    splits = prepared.load_arrays(made / "arrays.npz", ("inputs", "targets"))
    splits = fold_splits(splits, options.validation_folds, options.validation_fold, place)
    height, width = splits["train"]["inputs"].shape[1:]
    spec = idx.image_spec(height, width, len(classes))
    about = read_json(made / "about.json")
    for warning in about.get("warnings", ()):
        warn(warning)
    if (white := about.get("sixteen_bit_white")) is not None:
        spec["sixteen_bit_white"] = white
    return Dataset(version, spec, splits, None, classes, layout.notes)


def _prepare(
    found: Mapping[str, list[Picture]], options: ImageFolder, place: Path, folder: Path, _version: str
) -> None:
    labels = {split: [picture.label for picture in own] for split, own in found.items()}
    classes, targets = number_classes(labels, dict.fromkeys(found, place))
    paths = [picture.path for own in found.values() for picture in own]
    numbers = np.split(np.arange(len(paths)), np.cumsum([len(own) for own in found.values()])[:-1])
    inputs = dict(zip(found, numbers, strict=True))
    splits = {split: {"inputs": inputs[split], "targets": targets[split]} for split in found}
    if options.validation_examples is None:
        splits |= add_missing_splits(splits, classes, place)
    elif found.keys() == {"train", "test"}:
        _check_validation(options.validation_examples, len(found["train"]), place)
        splits |= hold_out_first(splits["train"], options.validation_examples)
    else:
        key = f"dataset.validation_examples = {options.validation_examples}"
        raise UserError(f"{key}: must be None, unless {place} has train and test, and no validation")
    pixels, white, warnings = _stack(paths, place)
    if options.background is not None:
        pixels = pictures.with_background(pixels, options.background)
    splits = {split: {**arrays, "inputs": pixels[arrays["inputs"]]} for split, arrays in splits.items()}
    prepared.save_arrays(folder / "arrays.npz", splits)
    write_json(folder / "about.json", {"classes": classes, "sixteen_bit_white": white, "warnings": warnings})


def _stack(paths: Sequence[Path], place: Path) -> tuple[np.ndarray, int | None, list[str]]:
    """Return pictures of one size, uint8 [pictures, height, width], the 16-bit white or None, and warnings.

    Cameras often use fewer than 16 bits: white is the largest value of as many bits as the pictures need.
    """
    images = pictures.read_all(paths)
    height, width = images[0].shape
    for path, image in zip(paths, images, strict=True):
        if image.shape != (height, width):
            size = f"{image.shape[1]}x{image.shape[0]}"
            raise UserError(f"{path}: has {size} pixels: must be {width}x{height}, the size of {paths[0]}")
        if image.dtype != images[0].dtype:
            bits = [8 * each.dtype.itemsize for each in (image, images[0])]
            raise UserError(f"{path}: has {bits[0]} bits per pixel: must have {bits[1]}, as {paths[0]}")
    pixels = np.stack(images)
    if pixels.dtype == np.uint8:
        return pixels, None, []
    white = (1 << max(1, int(pixels.max()).bit_length())) - 1
    deviation = float(np.median(pixels.reshape(len(pixels), -1).std(axis=1)))
    warnings = []
    if deviation < 2 * white / 255:
        found = f"the pixels of most 16-bit pictures have a standard deviation of {deviation:,.0f} or less"
        problem = f"{found}, but one of 255 grey levels stands for {white / 255:,.0f}"
        remedy = "subtract their background, clip the largest values, or save them in 8 bits"
        warnings.append(f"{place}: {problem}, as the largest value is {int(pixels.max()):,}; {remedy}")
    return pictures.to_8_bits(pixels, white), white, warnings
