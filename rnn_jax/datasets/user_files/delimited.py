"""Rows of delimited text: their line ends, delimiter and quotes, found where they are not given.

- newline: a line feed, with or without a carriage return before it; a carriage return if there is no line
  feed;
- delimiter: Excel's first line `sep=;`, else that of tab, comma, semicolon and bar with which the first row
  has the wanted columns, all rows have the same number of columns, and the number of different labels is the
  least; of several, the first one (for a `.csv` file, comma first);
- quoting: double quotes around fields; in files with tabs only if a program put them there, around all fields
  of a column or around those fields that need them.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.runtime.errors import UserError

DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|"}
_SEPARATOR_LINE = re.compile(r'"?sep=(.?)"?\1*\n', re.IGNORECASE)

Row = tuple[int, list[str]]
"""The number of the last line of a row, and its fields."""


class Rows(NamedTuple):
    """The rows of a text, without empty ones, and how they were read."""

    rows: list[Row]
    delimiter: str
    quoting: str
    problem: str | None  # why it cannot be read so

    @property
    def has_equal_rows(self) -> bool:
        """Whether all rows have the same number of fields."""
        return len({len(fields) for _, fields in self.rows}) == 1


def unify_newlines(text: str, given: str | None) -> tuple[str, str]:
    """Return a text whose rows end with line feeds, and the line ends that it had; others become spaces."""
    newline = given or ("cr" if "\r" in text and "\n" not in text else "crlf" if "\r\n" in text else "lf")
    if newline == "cr":
        return text.replace("\n", " ").replace("\r", "\n"), newline
    if given == "crlf":
        text = "\n".join(row.replace("\n", " ") for row in text.split("\r\n"))
    return text.replace("\r\n", "\n").replace("\r", " "), newline


def character_of(delimiter: str | None) -> str | None:
    """Return a delimiter's character; raise UserError if it is none."""
    character = None if delimiter is None else DELIMITERS.get(delimiter, delimiter)
    if character is not None and (len(character) != 1 or character in '"\r\n'):
        allowed = f"one character, or {', '.join(DELIMITERS)}"
        raise UserError(f"dataset.delimiter = {delimiter}: must be {allowed}")
    return character


def find_rows(
    path: Path,
    text: str,
    delimiter: str | None,
    quoting: str | None,
    fits: Callable[[Sequence[str]], bool],
    count_labels: Callable[[Sequence[Row]], int],
) -> Rows:
    """Find the rows of a text with line feeds: by the first delimiter that fits, else by the most likely.

    Args:
        path: the file; its suffix decides which delimiter is tried first.
        text: its contents.
        delimiter: a character, or a key of DELIMITERS; None: found.
        quoting: double or none; None: found.
        fits: whether a first row has the wanted columns.
        count_labels: the number of different labels of some rows.

    Raises:
        UserError: the quotes do not match, or the delimiter is not a character.
    """
    given, lines_before = character_of(delimiter), 0
    if line := _SEPARATOR_LINE.match(text):
        lines_before, text = 1, text[line.end() :]
        if given is None and line[1] and fits(_first_row(text, line[1])):
            given = line[1]
    delimiters = list(DELIMITERS.values()) if given is None else [given]
    if path.suffix.lower() == ".csv":
        delimiters.sort(key=lambda character: character != ",")
    attempts = []
    for character in delimiters:
        if given is None and not fits(_first_row(text, character)):
            continue
        attempts.append(_attempt(text, character, quoting, lines_before))
    if valid := [each for each in attempts if each.problem is None and each.has_equal_rows]:
        return min(valid, key=lambda each: count_labels(each.rows))
    if not attempts:
        several = (character for character in delimiters if len(_first_row(text, character)) > 1)
        attempts.append(_attempt(text, next(several, delimiters[0]), quoting, lines_before))
    best = attempts[0]
    if best.problem is not None:
        remedy = "dataset.quoting=none if quotes are a part of the texts"
        raise UserError(f"{path}: {best.problem}; {remedy}")
    return best


def _first_row(text: str, delimiter: str) -> list[str]:
    try:
        reader = csv.reader(_lines(text), **_dialect(delimiter))
        return next((row for row in reader if any(map(str.strip, row))), [])
    except csv.Error:
        return text.partition("\n")[0].split(delimiter)


def _dialect(delimiter: str) -> dict[str, Any]:
    return {"delimiter": delimiter, "strict": True, "skipinitialspace": delimiter != "\t"}


def _lines(text: str) -> Iterable[str]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    return io.StringIO(text, newline="")


def _attempt(text: str, delimiter: str, quoting: str | None, lines_before: int) -> Rows:
    """Read the rows with one delimiter, without empty rows, and find whether it has quotes."""
    lines = enumerate(text.split("\n"), start=1 + lines_before)
    plain = [
        (number, fields) for number, line in lines if any(map(str.strip, fields := line.split(delimiter)))
    ]
    if quoting == "none" or (quoting is None and '"' not in text):
        return Rows(plain, delimiter, "none", None)
    quoted, problem = [], None
    reader = csv.reader(_lines(text), **_dialect(delimiter))
    try:
        quoted = [(reader.line_num + lines_before, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        problem = f"line {reader.line_num + lines_before:,}: {error}"
    if quoting is None and delimiter == "\t" and (problem or not quoted or not _has_quotes(plain, quoted)):
        return Rows(plain, delimiter, "none", None)
    return Rows(quoted, delimiter, "double", problem)


def _has_quotes(plain: list[Row], quoted: list[Row]) -> bool:
    """Whether quotes surround fields, given the rows read without and with that meaning.

    Programs put them around every field of a column, or around those that need them: that contain a quote, a
    delimiter or a line end (pandas), or a comma as well (Excel). In other files they belong to the texts.
    """
    width = len(quoted[0][1])
    if any(len(fields) != width for _, fields in quoted):
        return False
    values = [{fields[column] for _, fields in quoted} for column in range(width)]
    inner = (line for _, row in quoted for field in row if "\n" in field for line in field.split("\n")[1:])
    for fields in (line.split("\t") for line in inner):
        if len(fields) == width > 1 and any(map(set.__contains__, values, fields)):
            return False  # a row, between an opening quote of one text and a closing quote of another
    if len(plain) != len(quoted) or any(len(fields) != width for _, fields in plain):
        return True  # tabs or line ends within quotes
    for column in range(width):
        pairs = [(raw[column], field[column]) for (_, raw), (_, field) in zip(plain, quoted, strict=True)][1:]
        marked = [raw != field for raw, field in pairs]
        if not any(marked) or all(mark or not raw for mark, (raw, _) in zip(marked, pairs, strict=True)):
            continue
        by_pandas = ['"' in field for _, field in pairs]
        by_excel = ['"' in field or "," in field for _, field in pairs]
        if marked not in (by_pandas, by_excel):
            return False
    return True
