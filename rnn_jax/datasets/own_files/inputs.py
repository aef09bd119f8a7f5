"""New inputs for a model that was trained: read block by block, as they are asked for.

What cannot be read is an `Asked` without a value, so that the others can still be answered to.
"""

import os
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from rnn_jax.datasets.dataset import Spec
from rnn_jax.datasets.own_files import pictures, sequences
from rnn_jax.datasets.own_files.pictures import Background
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.runtime.errors import UserError

AT_ONCE = 1024
"""Inputs of a block, at most: those of like lengths then share a batch."""
_ENDINGS = {"images": pictures.ENDINGS, "sequences": (".npz",), "texts": (".txt", ".tsv", ".csv", ".text")}
_READ_AT_ONCE = 1 << 18  # bytes
_LONGEST_LINE = 1 << 24  # bytes


class Asked(NamedTuple):
    """An input, or why it cannot be read."""

    name: str
    value: np.ndarray | None
    """An image [height, width], tokens [steps] or measured steps [steps, features]."""
    error: str | None = None


def check_files(names: Sequence[str], what: str) -> None:
    """Raises UserError where no file is given, or what is given does not exist or is of another kind.

    `what` is 'images' or 'sequences'. A missing file with the right ending is one that cannot be read: the
    others are still answered to.
    """
    if not names:
        raise UserError(f"INPUT: none is given; this is a run on {what}, and answers to such files")
    for name in names:
        _check_kind(name, what)
        if not _ends(name, what) and not Path(name).exists():
            raise UserError(f"{name}: no such file; this is a run on {what}")


def check_texts(names: Sequence[str]) -> None:
    """Raises UserError for what looks like the name of a file and is none of texts."""
    for name in names:
        if " " not in name:
            _check_kind(name, "texts")
            if _ends(name, "texts") and not _is_file(name):
                raise UserError(f"{name}: no such file")


def _check_kind(name: str, what: str) -> None:
    if not _ends(name, what) and (other := next((kind for kind in _ENDINGS if _ends(name, kind)), None)):
        raise UserError(f"{name}: of the kind of {other}, and this is a run on {what}")


def _ends(name: str, what: str) -> bool:
    return name.lower().endswith(_ENDINGS[what])


def read_pictures(names: Sequence[str], spec: Spec, background: Background) -> Iterator[list[Asked]]:
    """Pictures of any size, as images of a data set with that spec and background."""
    height, width, maximum = (int(spec[key]) for key in ("height", "width", "maximum"))
    for block in _blocks(names):
        asked = []
        for name in block:
            try:
                image = pictures.fit(pictures.read(Path(name)), height, width, maximum, background)
                asked.append(Asked(name, image))
            except UserError as error:
                asked.append(Asked(name, None, str(error)))
        yield asked


def read_sequences(names: Sequence[str], spec: Spec) -> Iterator[list[Asked]]:
    """The sequences of `.npz` files, each called by its file and its number in it."""
    features = int(spec["features"])
    for name in names:
        try:
            found = sequences.read(Path(name), needs_answers=False)
            if found.steps.shape[1] != features:
                raise UserError(f"{name}: has {found.steps.shape[1]} features, the model reads {features}")
        except UserError as error:
            yield [Asked(name, None, str(error))]
            continue
        ends = np.cumsum(found.lengths)
        values = {
            row: found.steps[end - length : end]
            for row, end, length in zip(found.rows.tolist(), ends, found.lengths, strict=True)
        }
        empty = f"{name}: a sequence without a step"
        for rows in _blocks(range(len(values) + found.left_out)):
            yield [
                Asked(f"{name}:{row}", values.get(row), None if row in values else f"{empty}: row {row:,}")
                for row in rows
            ]


def read_texts(names: Sequence[str], known: Vocabulary, encoding: str) -> Iterator[list[Asked]]:
    """The texts themselves and those of files, one in a line; '-', or no name: standard input.

    Args:
        names: texts, or files of them.
        known: the model's vocabulary.
        encoding: of lines that are not UTF-8.

    Raises:
        UserError: a line is neither.
    """
    for lines in _lines(names or ["-"], encoding):
        asked = []
        for text in lines:
            tokens = known.encode(text)
            if len(tokens):
                asked.append(Asked(text, tokens.astype(np.int32)))
            else:
                asked.append(Asked(text, None, f"{text!r}: has nothing to read"))
        yield asked


def _lines(names: Sequence[str], encoding: str) -> Iterator[list[str]]:
    given: list[str] = []
    for name in names:
        if name != "-" and not _is_file(name):
            given.append(name)
            continue
        yield from _blocks(given)
        given = []
        if name == "-":
            yield from _arriving(sys.stdin.fileno(), encoding, "standard input")
        else:
            with _opened(name) as file:
                yield from _arriving(file.fileno(), encoding, name)
    yield from _blocks(given)


def _opened(name: str) -> BinaryIO:
    try:
        return open(name, "rb")
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}") from error


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long for a name
        return False


def _arriving(descriptor: int, encoding: str, name: str) -> Iterator[list[str]]:
    """The lines of a file, as many at once as are there: whoever writes them may wait for an answer."""
    rest, lines = b"", list[str]()
    while read := os.read(descriptor, _READ_AT_ONCE):
        *whole, rest = (rest + read).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise UserError(f"{name}: a line of more than {_LONGEST_LINE:,} bytes")
        lines += [line for line in (_decoded(each, encoding, name).strip() for each in whole) if line]
        whole_blocks = len(lines) - len(lines) % AT_ONCE
        ready = whole_blocks if _more_is_there(descriptor) else len(lines)
        yield from _blocks(lines[:ready])
        lines = lines[ready:]
    if last := _decoded(rest, encoding, name).strip():
        lines.append(last)
    yield from _blocks(lines)


def _more_is_there(descriptor: int) -> bool:
    """Whether reading would not have to wait; of a file, always."""
    return bool(select.select([descriptor], [], [], 0)[0])


def _decoded(line: bytes, encoding: str, name: str) -> str:
    for known in ("utf-8-sig", encoding):
        try:
            return line.decode(known)
        except (ValueError, LookupError):  # not in the encoding, or there is no such encoding
            continue
    raise UserError(f"{name}: neither UTF-8 nor {encoding}: {line[:40]!r}")


def _blocks(items: Iterable[Any]) -> Iterator[list[Any]]:
    block: list[Any] = []
    for item in items:
        block.append(item)
        if len(block) == AT_ONCE:
            yield block
            block = []
    if block:
        yield block
