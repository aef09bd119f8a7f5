"""Tables of texts: files of rows with a column of texts and, for training, one of labels.

Encoding, line ends, delimiter, quotes and header are used as given, or found in the contents: see
`text_encodings.py` and `delimited.py`. Without `has_header`, the first row is a header if it names the wanted
columns; where these are given by number, if its label is not the label of another row.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.datasets import text_encodings
from rnn_jax.datasets.safe_reading import reading
from rnn_jax.datasets.segmentation import normalize
from rnn_jax.datasets.user_files.delimited import DELIMITERS, Row, character_of, find_rows, unify_newlines
from rnn_jax.runtime.errors import UserError, list_names

SUFFIXES = (".csv", ".tsv", ".tab")
_INVISIBLE = "\u200b\u2060\ufeff"  # zero-width spaces, and the byte-order mark


class Format(NamedTuple):
    """The form of a table; None: found in its contents."""

    encoding: str | None = None
    newline: str | None = None  # lf, crlf or cr
    delimiter: str | None = None  # a character, or a key of DELIMITERS
    quoting: str | None = None  # double or none
    has_header: bool | None = None

    def describe(self) -> str:
        """Return the form in words, for display."""
        names = {character: name for name, character in DELIMITERS.items()}
        delimiter = names.get(str(self.delimiter), repr(self.delimiter))
        quotes = "double quotes" if self.quoting == "double" else "no quotes"
        header = "header" if self.has_header else "no header"
        return f"{self.encoding}, {self.newline} line ends, delimiter {delimiter}, {quotes}, {header}"


class Columns(NamedTuple):
    """The wanted columns, each by name or by number from 1, and the form of their tables."""

    label: str
    text: str
    format: Format = Format()

    @classmethod
    def of_config(cls, section: Any) -> "Columns":
        """Return the columns of a config section; without any, those of the base config."""
        given = (getattr(section, key, None) for key in Format._fields)
        label, text = section.label_column or "label", section.text_column or "text"
        return cls(normalize(label), normalize(text), Format(*given))

    def find(self, key: str, names: Sequence[str]) -> int | None:
        """Return the index of the column 'label' or 'text' in a row of names; None if it is not there."""
        name = getattr(self, key)
        return names.index(name) if name in names else self.find_by_number(key, len(names))

    def find_by_number(self, key: str, width: int) -> int | None:
        """Return the index of the column 'label' or 'text' if it is given by a number up to `width`."""
        name = getattr(self, key)
        return int(name) - 1 if name.isdecimal() and len(name) < 10 and 1 <= int(name) <= width else None

    def are_named_in(self, names: Sequence[str]) -> bool:
        """Whether a row names the columns; a number in it may be a label."""
        named = [name for name in (self.label, self.text) if name in names]
        return len(named) == 2 or any(not name.isdecimal() for name in named)


class Table(NamedTuple):
    """A table with the wanted columns."""

    rows: list[Row]  # without the header
    names: list[str]  # of the columns, or their numbers
    text: int  # the index of the column
    label: int | None
    format: Format  # as found
    warnings: tuple[str, ...]

    def problem_of(self, row: Row) -> str | None:
        """Return what is wrong with a row; None if it has as many fields as the first one."""
        number, width = row[0], len(self.names)
        found = f"line {number:,} has {len(row[1])} columns"
        return None if len(row[1]) == width else f"{found}: must have {width} as the first line"


def read_table(
    path: Path,
    columns: Columns,
    encodings: Sequence[str] | None = None,
    labels: Collection[str] = (),
    *,
    needs_label: bool = True,
) -> Table:
    """Read a table.

    Args:
        path: the file.
        columns: the wanted columns, and what is known of the form.
        encodings: encodings of which the first one that fits is used; None: that of the format, or found.
        labels: known labels, which are not the name of a column.
        needs_label: whether the table must have the column of labels.

    Raises:
        UserError: it is empty, not in the encoding, has no such column, or its quotes do not match.
    """
    with reading(path):
        data = path.read_bytes()
    start = data[: text_encodings.START_BYTES]
    encodings = encodings or (columns.format.encoding or text_encodings.find_encoding(start),)
    remedy = text_encodings.SET_ENCODING if needs_label else text_encodings.CONVERT
    text, encoding = text_encodings.decode(data, path, encodings, remedy)
    text, newline = unify_newlines(text, columns.format.newline)

    def fits(names: Sequence[str]) -> bool:
        keys = ("text", "label") if needs_label else ("text",)
        return all(columns.find(key, strip_names(names)) is not None for key in keys)

    def count_labels(rows: Sequence[Row]) -> int:
        place = columns.find("label", strip_names(rows[0][1]))
        return 0 if place is None else len({strip_name(fields[place]) for _, fields in rows} - {*labels})

    found = find_rows(path, text, columns.format.delimiter, columns.format.quoting, fits, count_labels)
    if not found.rows:
        raise UserError(f"{path}: empty")
    first = strip_names(found.rows[0][1])
    has_header, warnings = _find_header(path, found.rows, columns, labels)
    names = first if has_header else [str(number) for number in range(1, len(first) + 1)]
    if not found.rows[has_header:]:
        raise UserError(f"{path}: has a header, {list_names(first)}, but no row below it")
    form = Format(encoding, newline, found.delimiter, found.quoting, has_header)
    label_index, text_index = (
        _index_of(path, key, columns, names, first, needs_label) for key in ("label", "text")
    )
    assert text_index is not None
    return Table(found.rows[has_header:], names, text_index, label_index, form, warnings)


def strip_name(name: str) -> str:
    """Return a label or the name of a column without invisible characters around it, in NFC."""
    return normalize(name.strip().strip(_INVISIBLE).strip())


def strip_names(names: Sequence[str]) -> list[str]:
    """Return the names of a row without spaces around them, in NFC."""
    return list(map(strip_name, names))


def begins_table(line: str, columns: Columns, labels: Collection[str]) -> bool:
    """Whether a line names both wanted columns, or is a row with a known label in a column by number."""
    given = character_of(columns.format.delimiter)
    for delimiter in DELIMITERS.values() if given is None else (given,):
        fields = [strip_name(field).strip('"') for field in line.split(delimiter)]
        label, text = (columns.find(key, fields) for key in ("label", "text"))
        if label is not None and text is not None:
            is_header = fields[label] == columns.label and fields[text] == columns.text
            if is_header or (delimiter in ("\t", given) and fields[label] in labels):
                return True
    return False


def _find_header(
    path: Path, rows: list[Row], columns: Columns, labels: Collection[str]
) -> tuple[bool, tuple[str, ...]]:
    """Return whether the first row names the columns, and warnings about what was given and does not fit."""
    first, given = strip_names(rows[0][1]), columns.format.has_header
    if columns.are_named_in(first):
        return given is not False, ()
    place = columns.find_by_number("label", len(first))
    if place is None:
        return bool(given), ()
    counts = Counter(strip_name(fields[place]) for _, fields in rows[1:] if place < len(fields))
    is_example = not first[place] or first[place] in labels or counts[first[place]] > 0
    shown = list_names(first)
    if given is None:
        return not is_example, ()
    if given and is_example:
        problem = f"the first line, {shown}, is not used, but looks like an example"
        return given, (f"{path}: {problem}: if it is one, set dataset.has_header=False",)
    if not given and not is_example and counts and min(counts.values()) > 1:
        problem = f"the first line, {shown}, is an example, but looks like the names of the columns"
        return given, (f"{path}: {problem}: if it is, set dataset.has_header=True",)
    return given, ()


def _index_of(
    path: Path, key: str, columns: Columns, names: list[str], first: list[str], needs_label: bool
) -> int | None:
    """Return the index of a column; raise UserError if it is needed and not there, or there twice."""
    name, index = getattr(columns, key), columns.find(key, names)
    if names.count(name) > 1:
        raise UserError(
            f"dataset.{key}_column = {name}: {path} has {names.count(name)} columns with that name"
        )
    if index is None and (key == "text" or needs_label):
        remedy = "if that line is an example, give the columns by number"
        if not needs_label:
            remedy = "a file with one text per line must end with .txt"
        shown = names if name.isdecimal() or columns.format.has_header is False else first
        problem = f"not a column of {path}: must be one of {list_names(shown)}"
        raise UserError(
            f"dataset.{key}_column = {name}: {problem}" + ("" if name.isdecimal() else f"; {remedy}")
        )
    return index
