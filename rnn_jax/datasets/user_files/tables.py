"""Tables of labelled texts: one line for each text, with columns for its label and the text itself.

`.csv` files have commas (or semicolons) and double quotes around texts that contain them; `.tsv`, `.tab` and
`.txt` files have tabs and no quotes.
"""

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rnn_jax.datasets.user_files.encodings import decode_file
from rnn_jax.runtime.errors import UserError

_SEPARATORS = {".csv": "commas", ".tsv": "tabs", ".tab": "tabs", ".txt": "tabs"}


class Columns(NamedTuple):
    """The columns of a table: keys of the config section `dataset`."""

    label: str
    text: str
    has_header: bool


class Table(NamedTuple):
    """The contents of a table."""

    texts: list[str]
    labels: list[str]
    left_out: int
    """The number of rows without a text or a label."""


def separator_of(path: Path) -> str:
    """Return 'commas' or 'tabs', by the suffix of a table's file name."""
    if path.suffix.lower() not in _SEPARATORS:
        raise UserError(f"{path}: must end with .csv (commas), or .tsv, .tab or .txt (tabs)")
    return _SEPARATORS[path.suffix.lower()]


def read_table(path: Path, columns: Columns, encoding: str) -> Table:
    """Read a table of labelled texts.

    Raises:
        UserError: the file cannot be read, is not in the encoding, lacks a column, or has a row with a
            different number of columns.
    """
    read_rows = _rows_by_commas if separator_of(path) == "commas" else _rows_by_tabs
    rows = read_rows(path, decode_file(path, encoding))
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}: empty")
    width = len(first[1])
    names = first[1] if columns.has_header else [str(number) for number in range(1, width + 1)]
    label_index = _index_of(path, "label_column", columns.label, names)
    text_index = _index_of(path, "text_column", columns.text, names)
    texts, labels, left_out = [], [], 0
    for line, row in rows if columns.has_header else itertools.chain([first], rows):
        if len(row) != width:
            raise UserError(
                f"{path}: line {line:,} has {len(row)} columns: must have {width} as the first line"
            )
        text, label = row[text_index].strip(), row[label_index].strip()
        if text and label:
            texts.append(text)
            labels.append(label)
        else:
            left_out += 1
    if not texts:
        raise UserError(f"{path}: has no row with a text and a label")
    return Table(texts, labels, left_out)


def _index_of(path: Path, key: str, name: str, names: list[str]) -> int:
    """Return the index of a column by its name, or by its number from 1."""
    if names.count(name) > 1:
        raise UserError(f"dataset.{key} = {name}: {path} has {names.count(name)} columns with that name")
    if name in names:
        return names.index(name)
    if name.isdecimal() and len(name) < 10 and 1 <= int(name) <= len(names):
        return int(name) - 1
    raise UserError(f"dataset.{key} = {name}: not a column of {path}: must be one of {', '.join(names)}")


def _rows_by_tabs(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and rows, without empty lines."""
    del path
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r").split("\t")


def _rows_by_commas(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the numbers of the last line of each row and the row, without empty rows.

    The separator is a semicolon if the first line has one and no comma, as spreadsheets in many countries
    write.
    """
    first = text.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num:,}: {error}") from error
