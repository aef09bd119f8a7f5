"""New texts of a trained model: typed, from files with one per line, from tables, or from standard input.

The config of the run has the columns of its tables: a `.csv`, `.tsv` or `.tab` file, or any other file that
begins as they do, is read as in training, and the column of its texts is predicted.
"""

import codecs
import os
import select
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from rnn_jax.datasets import text_encodings
from rnn_jax.datasets.safe_reading import reading
from rnn_jax.datasets.user_files import inputs, tables
from rnn_jax.datasets.user_files.inputs import Input
from rnn_jax.datasets.user_files.tables import Columns
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.runtime.errors import UserError, shorten

_READ_BYTES = 1 << 18
_MAX_LINE_BYTES = 1 << 24


def read_input_texts(
    names: Sequence[str], vocabulary: Vocabulary, columns: Columns, classes: Collection[str]
) -> Iterator[list[Input]]:
    """Read texts, files with one per line, and tables; '-' or no name is standard input.

    Files are in UTF-8, in UTF-16 or UTF-32 with a mark, or in the encoding of the run's own files. `columns`
    and `classes` are those of the run.
    """
    for texts in _texts(names or ["-"], columns, classes):
        yield [text if isinstance(text, Input) else _encode(text, vocabulary) for text in texts]


def _encode(text: str, vocabulary: Vocabulary) -> Input:
    tokens = vocabulary.encode(text).astype(np.int32)
    return Input(text, tokens) if len(tokens) else Input(text, None, f"{shorten(text)!r}: has no token")


def _texts(
    names: Sequence[str], columns: Columns, classes: Collection[str]
) -> Iterator[Sequence[str | Input]]:
    given: list[str] = []
    for name in names:
        error = None if name == "-" else inputs.problem_of_text(name)
        if error is None and name != "-" and not inputs.is_file(name):
            given.append(name)
            continue
        yield from inputs.blocks(given)
        given = []
        if error is not None:
            yield [Input(name, None, str(error))]
            continue
        if name == "-":
            yield from _read_standard_input(columns, classes)
            continue
        try:
            yield from _read_file(name, columns, classes)
        except UserError as error:
            yield [Input(name, None, str(error))]
    yield from inputs.blocks(given)


def _read_standard_input(columns: Columns, classes: Collection[str]) -> Iterator[list[str]]:
    is_first = True
    for lines in read_lines(sys.stdin.fileno(), columns.format.encoding, "standard input"):
        if is_first and lines and tables.begins_table(lines[0], columns, classes):
            raise UserError(
                "standard input: is a table: must be one text per line; give the table's file name"
            )
        is_first = False
        yield lines


def _read_file(name: str, columns: Columns, classes: Collection[str]) -> Iterator[Sequence[str | Input]]:
    path, encoding = Path(name), columns.format.encoding
    with reading(path):
        file = path.open("rb", buffering=0)
    with file:
        with reading(path):
            start = file.read(text_encodings.START_BYTES)
            file.seek(0)
        encodings = text_encodings.candidates(start, encoding)
        first = next(iter(start.decode(encodings[0], "replace").removeprefix("\ufeff").splitlines()), "")
        if path.suffix.lower() in tables.SUFFIXES or tables.begins_table(first, columns, classes):
            yield from inputs.blocks(_read_rows(path, columns, encodings, classes))
        else:
            yield from read_lines(file.fileno(), encoding, name)


def _read_rows(
    path: Path, columns: Columns, encodings: Sequence[str], classes: Collection[str]
) -> list[str | Input]:
    table = tables.read_table(path, columns, encodings, classes, needs_label=False)
    found: list[str | Input] = []
    for row in table.rows:
        problem = table.problem_of(row)
        text = "" if problem else row[1][table.text].strip()
        error = f"{path}: {problem or f'line {row[0]:,} has no text'}"
        found.append(text or Input(f"{path}:{row[0]}", None, error))
    return found


def read_lines(descriptor: int, encoding: str | None, name: str) -> Iterator[list[str]]:
    """Yield lines that are not empty as soon as they arrive: their writer may wait for a prediction.

    `encoding` is that of the run's files; None: found. Raises UserError for a line in another encoding.
    """
    rest, lines, count, recode = b"", list[str](), 0, None
    encodings: Sequence[str] = ()
    while True:
        read = os.read(descriptor, _READ_BYTES)
        if not encodings:
            encodings = text_encodings.candidates(read[: text_encodings.START_BYTES], encoding)
            recode = _Recoder(encodings[0], name) if not text_encodings.extends_ascii(encodings[0]) else None
        *complete, rest = (rest + (recode(read) if recode else read)).split(b"\n")
        if len(rest) > _MAX_LINE_BYTES:
            raise UserError(f"{name}: a line of more than {_MAX_LINE_BYTES:,} bytes")
        for line in complete if read else [*complete, rest]:
            count += 1
            lines += _decode(line, ("utf-8",) if recode else encodings, f"{name}, line {count:,}")
        if not read:
            break
        waits = not select.select([descriptor], [], [], 0)[0]  # never for a file
        ready = len(lines) if waits else len(lines) - len(lines) % inputs.BLOCK
        yield from inputs.blocks(lines[:ready])
        lines = lines[ready:]
    yield from inputs.blocks(lines)


class _Recoder:
    """Turns bytes of an encoding in which a line feed is not one byte into UTF-8."""

    def __init__(self, encoding: str, name: str) -> None:
        self._encoding, self._name = encoding, name
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def __call__(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, final=not data).encode()
        except UnicodeError as error:
            remedy = text_encodings.CONVERT
            raise UserError(f"{self._name}: not {self._encoding}: {error}; {remedy}") from error


def _decode(line: bytes, encodings: Sequence[str], name: str) -> list[str]:
    """Return the texts of a line, of which old Macs' line ends make several."""
    text, _ = text_encodings.decode(line, name, encodings, text_encodings.CONVERT)
    return [stripped for part in text.split("\r") if (stripped := part.strip())]
