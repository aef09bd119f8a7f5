"""Images of one's own, each with a label: four IDX files as MNIST's, or folders of pictures.

A folder of pictures has a folder for each class, named as the class, or such folders in `train`, `test` and,
if need be, `validation`. The examples are in the order of their files' names, whatever folder they are in.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.datasets import splitting, untrusted
from rnn_jax.datasets.dataset import Loaded
from rnn_jax.datasets.own_files import own, pictures
from rnn_jax.datasets.published import images, sources
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

_READING = 1  # to be counted up where pictures are read otherwise than before
_IDX_SHARE = 12
"""Of the training images in IDX files a twelfth validates, the first ones, as 5,000 of MNIST's 60,000 do."""
_PLACES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


def load_idx(*, folder: str | None, validation_examples: int | None) -> Loaded:
    """Loads four IDX files that are named as MNIST's, gzipped or not.

    Args:
        folder: the folder that has them.
        validation_examples: the first so many training images validate; None: the first twelfth.

    Raises:
        UserError: a file is missing or wrong, or none would be left to train with.
    """
    place = own.existing("dataset.folder", str(folder), folder=True)
    paths = {
        split: (_idx_file(place, images_name), _idx_file(place, labels_name))
        for split, (images_name, labels_name) in images.IDX_FILES.items()
    }
    read = {split: images.read_pair(*pair) for split, pair in paths.items()}
    height, width = read["train"]["inputs"].shape[1:]
    found = read["test"]["inputs"].shape[1:]
    if found != (height, width):
        sizes = f"{found[0]}x{found[1]} pixels, and those of train of {height}x{width}"
        raise UserError(f"{paths['test'][0]}: its images are of {sizes}")
    count = len(read["train"]["targets"])
    validation = count // _IDX_SHARE if validation_examples is None else validation_examples
    _check_validation(validation, count, str(place))
    classes = 1 + int(read["train"]["targets"].max())
    wrong = np.flatnonzero(~np.isin(read["test"]["targets"], read["train"]["targets"]))
    if wrong.size:
        label = int(read["test"]["targets"][wrong[0]])
        raise UserError(f"{paths['test'][1]}: label {wrong[0]} is {label}, which no training image has")
    digests = [sources.checksum(path) for pair in paths.values() for path in pair]
    rows = {"train": np.arange(validation, count), "validation": np.arange(validation)}
    splits = {split: _take(read["train"], own_rows) for split, own_rows in rows.items()}
    return Loaded(
        own.digest_of(digests)[: own.SHOWN],
        images.spec_of(height, width, classes),
        splits | {"test": read["test"]},
        classes=tuple(str(number) for number in range(classes)),
    )


def _idx_file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.is_file():
            return untrusted.inside(folder, path)
    raise UserError(f"dataset.folder = {folder}: has no {name}, gzipped or not; idx needs MNIST's four files")


def _check_validation(validation: int, count: int, where: str) -> None:
    if validation >= count:
        raise UserError(
            f"dataset.validation_examples = {validation}: {where} has {count:,} training images, "
            "and some must be left"
        )
    if validation == 0:
        raise UserError(f"{where}: has {count:,} training images, too few to take a twelfth to validate with")


def _take(arrays: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[rows] for name, array in arrays.items()}


class Picture(NamedTuple):
    """A file, and the class that it is of."""

    path: Path
    label: str


def load_folder(
    *, folder: str | None, validation_examples: int | None, data_dir: str | None = None
) -> Loaded:
    """Loads a folder of pictures for each class.

    Args:
        folder: it has the classes' folders, or `train`, `test` and, if need be, `validation` that have them.
        validation_examples: the first so many training pictures validate; None: those of `validation`, or a
            tenth, stratified. Where there is no `test` either, a tenth tests.
        data_dir: the folder of prepared data; None: that of TFDS.

    Raises:
        UserError: a picture cannot be read, or is of another size; a class has one picture.
        StorageError: the disk is full.
    """
    place = own.existing("dataset.folder", str(folder), folder=True)
    found, others = _find(place)
    contents = {
        split: [[str(picture.path.relative_to(place)), sources.checksum(picture.path)] for picture in files]
        for split, files in found.items()
    }
    digest = own.digest_of([_READING, contents, validation_examples])
    made = own.keep(
        "image_folder",
        digest,
        data_dir,
        str(place),
        lambda kept: _prepare(found, validation_examples, place, kept),
    )
    classes = own.texts_of(made / "about.json", "classes")
    splits = own.arrays_of(made / "arrays.npz", ("inputs", "targets"))
    height, width = splits["train"]["inputs"].shape[1:]
    notes = (f"{others:,} files that are no PNG or JPEG left out",) if others else ()
    spec = images.spec_of(height, width, len(classes))
    return Loaded(digest[: own.SHOWN], spec, splits, None, classes, notes)


def _find(place: Path) -> tuple[dict[str, list[Picture]], int]:
    """The pictures of each split that has a folder, and how many files are none."""
    given = {
        split: place / name for split, names in _PLACES.items() for name in names if (place / name).is_dir()
    }
    if "train" not in given:
        given = {"train": place}
    found, others = {}, 0
    for split, folder in given.items():
        files = []
        for path in folder.glob("*/*"):
            if path.suffix.lower() in pictures.ENDINGS and path.is_file():
                files.append(Picture(untrusted.inside(place, path), path.parent.name))
            else:
                others += not path.name.startswith(".")
        if not files:
            raise UserError(f"{folder}: has no folder of PNG or JPEG pictures, one for each class")
        found[split] = sorted(files, key=lambda picture: (picture.path.name, picture.label))
    return found, others


def _prepare(
    found: dict[str, list[Picture]], validation_examples: int | None, place: Path, kept: Path
) -> None:
    train = found["train"]
    classes, numbers = splitting.number_classes([picture.label for picture in train])
    if len(classes) == 1:
        raise UserError(f"{place}: has one class, {classes[0]!r}; there must be two to tell apart")
    rows = _divide(found, numbers, classes, validation_examples, place)
    size: tuple[int, ...] | None = None
    arrays: dict[str, Any] = {}
    for split, files in found.items():
        if foreign := sorted({picture.label for picture in files} - set(classes)):
            raise UserError(f"{place}: the class {foreign[0]!r} is in {split}, and not in train")
        read = _read_all(files, size)
        size = read.shape[1:]
        targets = np.array([classes.index(picture.label) for picture in files], np.int32)
        own_rows = rows if split == "train" else {split: np.arange(len(files))}
        for name, chosen in own_rows.items():
            arrays |= {f"{name}/inputs": read[chosen], f"{name}/targets": targets[chosen]}
    with (kept / "arrays.npz").open("wb") as file:
        np.savez(file, **arrays)
    write_json(kept / "about.json", {"classes": classes})


def _divide(
    found: dict[str, list[Picture]],
    numbers: np.ndarray,
    classes: tuple[str, ...],
    validation_examples: int | None,
    place: Path,
) -> dict[str, np.ndarray]:
    """The pictures that train, and those that are taken from them."""
    missing = tuple(split for split in ("validation", "test") if split not in found)
    if validation_examples is not None:
        if missing != ("validation",):
            raise UserError(
                f"dataset.validation_examples = {validation_examples}: only where {place} has train and "
                "test, and no validation"
            )
        _check_validation(validation_examples, len(numbers), str(place))
        rows = np.arange(len(numbers))
        return {"train": rows[validation_examples:], "validation": rows[:validation_examples]}
    if missing:
        splitting.check_classes(numbers, classes, str(place))
    return splitting.divide(numbers, missing, str(place))


def _read_all(files: Sequence[Picture], size: tuple[int, ...] | None) -> np.ndarray:
    """The pictures [pictures, height, width], all of one size."""
    read = pictures.read_all([picture.path for picture in files])
    size = size or read[0].shape
    for picture, array in zip(files, read, strict=True):
        if array.shape != size:
            raise UserError(
                f"{picture.path}: is {array.shape[1]}x{array.shape[0]} pixels, and {files[0].path} is "
                f"{size[1]}x{size[0]}; all must be of one size"
            )
    return np.stack(read)
