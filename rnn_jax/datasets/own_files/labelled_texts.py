"""Texts with a label each: tables of one's own, and what any set of labelled texts becomes.

A table has a line for each text and columns for its label and the text itself: `.csv` with commas (or
semicolons) and double quotes around what has them, `.tsv`, `.tab` and `.txt` with tabs and no quotes. The
tokens are made once and kept, see `own.py`.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.datasets import ragged, splitting, vocabulary
from rnn_jax.datasets.dataset import SPLITS, Loaded, Spec
from rnn_jax.datasets.own_files import own, text_files
from rnn_jax.datasets.published import sources
from rnn_jax.datasets.ragged import End
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

_READING = 1  # to be counted up where files are read otherwise than before
_MOST_CHARACTERS = 0x110000


class Labelled(NamedTuple):
    """Some texts, and the label of each."""

    texts: list[str]
    labels: list[str]


class Examples(NamedTuple):
    """What was read."""

    splits: Mapping[str, Labelled]
    notes: list[str]
    """What was left out, to be shown."""


class Reading(NamedTuple):
    """How texts become tokens: keys of the config section `dataset`."""

    tokenizer: str
    vocabulary_size: int | None


def load(
    *,
    file: str | None,
    validation_file: str | None,
    test_file: str | None,
    label_column: str | None,
    text_column: str | None,
    has_header: bool | None,
    encoding: str | None,
    tokenizer: str | None,
    vocabulary_size: int | None,
    max_length: int | None,
    truncate: End | None,
    data_dir: str | None = None,
) -> Loaded:
    """Loads tables of labelled texts of one's own.

    Args:
        file: the table to train with; a split without a file of its own is a tenth of it, stratified.
        validation_file: the table to validate with.
        test_file: the table to test with.
        label_column: the name of the column of labels, or its number from 1 on.
        text_column: likewise of the texts.
        has_header: whether the first line names the columns.
        encoding: of the files.
        tokenizer: what a token is: 'words' (in lower case, and marks apart), 'characters', 'bytes' or 'bpe'.
        vocabulary_size: how many there are; None: all that the training texts have more than once.
        max_length: longer texts are cut to so many tokens.
        truncate: which of them are kept.
        data_dir: the folder of prepared data; None: that of TFDS.

    Raises:
        UserError: a file cannot be read, is not in the encoding, or is no such table; a class has one
            example.
        StorageError: the disk is full.
    """
    assert encoding is not None
    assert tokenizer is not None
    text_files.check_encoding(encoding)
    paths = own.files(file, validation_file, test_file)
    columns = Columns(str(label_column), str(text_column), bool(has_header))
    said = [
        {split: [sources.checksum(path), _kind(path)] for split, path in paths.items()},
        columns,
        encoding,
    ]

    def read() -> Examples:
        tables = {split: read_table(path, columns, encoding) for split, path in paths.items()}
        left_out = sum(table.left_out for table in tables.values())
        splits = {split: Labelled(table.texts, table.labels) for split, table in tables.items()}
        notes = [f"{left_out:,} rows without a text or a label left out"] if left_out else []
        return Examples(_divided(splits, str(paths["train"])), notes)

    origin = ", ".join(str(path) for path in paths.values())
    reading = Reading(tokenizer, vocabulary_size)
    return ragged.cut(in_tokens("labelled_text", said, reading, read, origin, data_dir), max_length, truncate)


def _divided(splits: Mapping[str, Labelled], where: str) -> dict[str, Labelled]:
    """The three splits, where some are to be cut from the training one."""
    train = splits["train"]
    names, numbers = splitting.number_classes(train.labels)
    missing = tuple(split for split in ("validation", "test") if split not in splits)
    if missing:
        splitting.check_classes(numbers, names, where)
    rows = splitting.divide(numbers, missing, where)
    cut = {
        split: Labelled([train.texts[row] for row in own_rows], [train.labels[row] for row in own_rows])
        for split, own_rows in rows.items()
    }
    return {split: cut[split] if split in cut else splits[split] for split in SPLITS}


class Columns(NamedTuple):
    """Where in a table what stands: keys of the config section `dataset`."""

    label: str
    text: str
    has_header: bool


class Table(NamedTuple):
    """What was read of a table."""

    texts: list[str]
    labels: list[str]
    left_out: int
    """Rows without a text or a label."""


def read_table(path: Path, columns: Columns, encoding: str) -> Table:
    """Reads a table of labelled texts.

    Raises:
        UserError: it cannot be read, is not in the encoding, lacks a column, or a row has too few or too
            many.
    """
    rows = _ROWS[_kind(path)](path, _decoded(path, encoding))
    try:
        first_line, first = next(rows)
    except StopIteration:
        raise UserError(f"{path}: empty") from None
    names = first if columns.has_header else [str(number) for number in range(1, len(first) + 1)]
    label_at, text_at = (
        _find(path, key, name, names)
        for key, name in (("label_column", columns.label), ("text_column", columns.text))
    )
    found = Table([], [], 0)
    left_out = 0
    for line, row in rows if columns.has_header else itertools.chain([(first_line, first)], rows):
        if len(row) != len(names):
            raise UserError(f"{path}: line {line:,} has {len(row)} columns, the first line has {len(names)}")
        text, label = row[text_at].strip(), row[label_at].strip()
        if text and label:
            found.texts.append(text)
            found.labels.append(label)
        else:
            left_out += 1
    if not found.texts:
        raise UserError(f"{path}: has no row with a text and a label")
    return found._replace(left_out=left_out)


def _find(path: Path, key: str, name: str, names: list[str]) -> int:
    """The place of a column that is named, or numbered from 1 on."""
    if names.count(name) > 1:
        raise UserError(f"dataset.{key} = {name}: {path} has {names.count(name)} columns of that name")
    if name in names:
        return names.index(name)
    if name.isdecimal() and len(name) < 10 and 1 <= int(name) <= len(names):
        return int(name) - 1
    raise UserError(f"dataset.{key} = {name}: {path} has no such column; it has {', '.join(names)}")


def _kind(path: Path) -> str:
    """How a table's rows are written, by the ending of its name."""
    endings = {".csv": "commas", ".tsv": "tabs", ".tab": "tabs", ".txt": "tabs"}
    if path.suffix.lower() not in endings:
        raise UserError(f"{path}: must end with .csv (commas), or .tsv, .tab or .txt (tabs)")
    return endings[path.suffix.lower()]


def _decoded(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    try:
        return text_files.whole(data.decode("utf-8-sig" if is_utf8 else encoding))
    except UnicodeError as error:
        raise UserError(f"{path}: {text_files.not_in_encoding(data, encoding, error)}") from error


def _rows_by_tabs(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the numbers of their lines."""
    del path
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r").split("\t")


def _rows_by_commas(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the numbers of the lines they end on.

    The separator is a semicolon where the first line has one and no comma, as spreadsheets write it in many
    countries.
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


_ROWS: dict[str, Callable[[Path, str], Iterator[tuple[int, list[str]]]]] = {
    "commas": _rows_by_commas,
    "tabs": _rows_by_tabs,
}


def in_tokens(
    kind: str, said: Any, reading: Reading, read: Callable[[], Examples], origin: str, data_dir: str | None
) -> Loaded:
    """Labelled texts as token numbers, which are made and kept where that has not been done.

    Args:
        kind: what the texts are, which names a folder.
        said: plain values that all that `read` gives depends on.
        reading: how texts become tokens.
        read: reads the texts.
        origin: where they are from, to be shown.
        data_dir: the folder of prepared data; None: that of TFDS.

    Raises:
        UserError: what `read` raises; there is one class only, or one that no training text has.
        StorageError: the disk is full.
    """
    digest = own.digest_of([_READING, said, reading])
    version = digest[: own.SHOWN]
    folder = own.keep(
        kind, digest, data_dir, origin, lambda made: _prepare(read(), reading, version, origin, made)
    )
    known = vocabulary.load(folder / "vocabulary.json")
    splits = own.arrays_of(folder / "arrays.npz", ("lengths", "targets", "steps"))
    classes = own.texts_of(folder / "about.json", "classes")
    spec: Spec = {
        "kind": "labelled_text",
        "unit": known.unit,
        "vocabulary": len(known),
        "classes": len(classes),
    }
    return Loaded(version, spec, splits, known, classes, own.texts_of(folder / "about.json", "notes"))


def _prepare(examples: Examples, reading: Reading, version: str, origin: str, folder: Path) -> None:
    classes, _ = splitting.number_classes(examples.splits["train"].labels)
    if len(classes) == 1:
        raise UserError(f"{origin}: every label is {classes[0]!r}; there must be two classes to tell apart")
    numbers = {name: number for number, name in enumerate(classes)}
    known = _VOCABULARIES[reading.tokenizer](examples.splits["train"].texts, reading.vocabulary_size)
    arrays: dict[str, Any] = {}
    for split, (texts, labels) in examples.splits.items():
        if foreign := sorted(set(labels) - set(classes)):
            raise UserError(f"{origin}: the class {foreign[0]!r} is in {split}, and no training text has it")
        targets = np.array([numbers[label] for label in labels], np.int32)
        joined = ragged.join([known.encode(text).astype(np.int32) for text in texts], targets)
        arrays |= {f"{split}/{name}": array for name, array in joined.items()}
    with (folder / "arrays.npz").open("wb") as file:
        np.savez(file, **arrays)
    known.save(folder / "vocabulary.json", version)
    write_json(folder / "about.json", {"classes": classes, "notes": examples.notes})


def _learn_pieces(texts: list[str], most: int | None) -> Vocabulary:
    assert most is not None
    return vocabulary.pieces(iter(texts), most)


# New texts may have what no training text has: there is always an unknown token, but where everything is made
# up of bytes.
_VOCABULARIES: dict[str, Callable[[list[str], int | None], Vocabulary]] = {
    "words": vocabulary.plain_words,
    "characters": lambda texts, most: vocabulary.characters(texts, most or _MOST_CHARACTERS),
    "bytes": lambda texts, most: Vocabulary("byte"),
    "bpe": _learn_pieces,
}
