"""New inputs of a trained model, read block by block.

An input that cannot be read becomes an `Input` with an error, so that the others can still be predicted.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.datasets.dataset import Spec
from rnn_jax.datasets.file_kinds import PICTURE_SUFFIXES, kind_of
from rnn_jax.datasets.user_files import pictures, tables
from rnn_jax.datasets.user_files.offsets import to_float32
from rnn_jax.datasets.user_files.pictures import Background
from rnn_jax.datasets.user_files.sequence_files import read_with_faults
from rnn_jax.runtime.errors import UserError

BLOCK = 1024  # inputs at most; those of similar lengths can share a batch
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "images": PICTURE_SUFFIXES,
    "sequences": (".npz",),
    "texts": (".txt", ".text", *tables.SUFFIXES),
}
_DATASETS = {"images": "image_folder", "sequences": "sequences", "texts": "text"}  # that read each kind
# A text without spaces that is no word: with a suffix, or from the root, a home or the current folder.
_PATH = re.compile(r"\S*\w\.[A-Za-z]\w{1,7}|(?:/|~/|\.{1,2}/)\S+", re.ASCII)


class Input(NamedTuple):
    """An input, or the reason why it cannot be read."""

    name: str
    value: np.ndarray | None  # an image [height, width], tokens [steps], or measured steps [steps, features]
    error: str | None = None
    note: str | None = None  # how its background differs from that of the data set


def check_files(names: Sequence[str], kind: str) -> None:
    """Raise UserError if no file of `kind` ('images' or 'sequences') is given.

    A missing file with the right suffix, or a file of another kind beside others of this kind, is an error of
    this input alone: the others are still predicted.
    """
    if not names:
        raise UserError(f"INPUT: must be at least one file of {kind}, the inputs of this run")
    errors = [error for name in names if (error := _problem_of(name, kind)) is not None]
    if len(errors) == len(names):
        raise errors[0]


def _problem_of(name: str, kind: str) -> UserError | None:
    """Return the error of a file that is of another kind, or missing without a suffix of this kind."""
    try:
        if not _check_kind(name, kind) and _existing(name) is None:
            return UserError(f"{name}: no such file; the inputs of this run are {kind}")
    except UserError as error:
        return error
    return None


def check_texts(names: Sequence[str]) -> None:
    """Raise UserError if every text is the name of a missing file or of one of another kind."""
    errors = [error for name in names if (error := problem_of_text(name)) is not None]
    if names and len(errors) == len(names):
        raise errors[0]


def problem_of_text(name: str) -> UserError | None:
    """Return the error of a text that looks like the name of a missing file, or names one of another kind."""
    try:
        is_named_as_file = _check_kind(name, "texts") or _PATH.fullmatch(name) or _is_in_folder(name)
    except UserError as error:
        return error
    if is_named_as_file and not is_file(name):
        return UserError(f"{name}: no such file; to predict it as a text, give it on standard input")
    return None


def _is_in_folder(name: str) -> bool:
    """Whether a text without spaces is the path of a file that an existing folder could have."""
    folder = os.path.dirname(name)
    return bool(folder) and not re.search(r"\s", name) and _existing(folder) is not None


def _check_kind(name: str, kind: str) -> bool:
    """Return whether a name has a suffix of `kind`; raise UserError if it names a file of another kind.

    A damaged picture or .npz file with the right suffix is an error of this input alone.
    """
    is_expected = name.lower().endswith(_SUFFIXES[kind])
    if (path := _existing(name)) is not None:
        found, is_readable = kind_of(path), is_expected and kind != "texts"
        if path.is_dir() or not (is_readable or _DATASETS[kind] in found.datasets):
            remedy = f"; {found.remedy}" if kind == "images" and found.name.endswith(" picture") else ""
            if kind == "images" and path.is_dir():
                remedy = f"; give its files, such as {os.path.join(name, '*.png')}"
            raise UserError(f"{name}: is {found.name}; the inputs of this run are {kind}{remedy}")
    elif not is_expected and name.lower().endswith(sum(_SUFFIXES.values(), ())):
        raise UserError(f"{name}: no such file; the inputs of this run are {kind}")
    return is_expected


def _existing(name: str) -> Path | None:
    """Return the path of an existing file or folder; None for any other text."""
    try:
        return path if name.strip() and (path := Path(name)).exists() else None
    except (OSError, ValueError):  # too long for a file name, or a zero byte
        return None


def read_input_images(
    names: Sequence[str], spec: Spec, background: Background, *, inverts: bool
) -> Iterator[list[Input]]:
    """Read pictures of any size as images of a data set with that spec.

    A picture is noted if its background is not `background`, that of all images of the data set ('mixed':
    they differ). It is inverted if `inverts`, which must leave every image of the data set as it is.
    """
    height, width, maximum = (int(spec[key]) for key in ("height", "width", "maximum"))

    def read(name: str) -> Input:
        try:
            picture = pictures.read(Path(name), spec.get("sixteen_bit_white"))
        except UserError as error:
            return Input(name, None, str(error))
        note, own = None, pictures.background_of(picture[None], 255)
        if background not in ("mixed", own):
            action = "inverted" if inverts else "not inverted"
            note = f"{action}: the background is {own}, that of the data set is {background}"
            picture = 255 - picture if inverts else picture
        return Input(name, pictures.fit(picture, height, width, maximum), note=note)

    for block in blocks(names):
        yield [read(name) for name in block]


def read_input_sequences(names: Sequence[str], spec: Spec) -> Iterator[list[Input]]:
    """Read the sequences of `.npz` files; the name of each is `file:row`."""
    features = int(spec["features"])
    for name in names:
        try:
            found = read_with_faults(Path(name), needs_targets=False)
            if found.steps.shape[1] != features:
                raise UserError(f"{name}: has {found.steps.shape[1]} features: must have {features}")
        except UserError as error:
            yield [Input(name, None, str(error))]
            continue
        parts = np.split(to_float32(found.steps, spec.get("shifts")), np.cumsum(found.lengths)[:-1])
        values = dict(zip(found.rows.tolist(), parts, strict=True))
        faults = {row: f"{name}: {fault}" for row, fault in found.faults.items()}
        count = len(values) + found.left_out
        values = {row: value for row, value in values.items() if row not in faults}
        for rows in blocks(range(count)):
            empty = {row: f"{name}: row {row:,} is empty" for row in rows if row not in values}
            errors = {**empty, **faults}
            yield [Input(f"{name}:{row}", values.get(row), errors.get(row)) for row in rows]


def is_file(name: str) -> bool:
    """Whether a text is the name of a file."""
    return (path := _existing(name)) is not None and path.is_file()


def blocks(items: Sequence[Any]) -> Iterator[Any]:
    """Yield parts of at most `BLOCK` items."""
    return (items[start : start + BLOCK] for start in range(0, len(items), BLOCK))
