"""Labelled texts: a user's tables of texts, and the tokenization of all labelled texts.

A table has one line for each text, with columns for its label and the text itself. `.csv` files have commas
(or semicolons) and double quotes around texts that contain them; `.tsv`, `.tab` and `.txt` files have tabs
and no quotes.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.config.sections.dataset import Imdb, LabelledText
from rnn_jax.datasets import prepared
from rnn_jax.datasets.dataset import Dataset, Splits, join_sequences, truncate_sequences
from rnn_jax.datasets.safe_reading import check_encoding, decode_file, hash_splits, split_paths
from rnn_jax.datasets.splitting import add_missing_splits, fold_splits, number_classes
from rnn_jax.datasets.vocabulary import Vocabulary, learn_bpe, learn_characters, learn_plain_words
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

Options = Imdb | LabelledText
_FORMAT = 2  # part of the version of the data: increase it when the same files are read differently
_MAX_CHARACTERS = 0x110000
# New texts may have tokens that no training text has: there is an unknown token, except for bytes.
_VOCABULARIES: dict[str, Callable[[list[str], int | None], Vocabulary]] = {
    "words": learn_plain_words,
    "characters": lambda texts, size: learn_characters(texts, size or _MAX_CHARACTERS),
    "bytes": lambda texts, size: Vocabulary("byte"),
    "bpe": learn_bpe,
}
_SEPARATORS = {".csv": "commas", ".tsv": "tabs", ".tab": "tabs", ".txt": "tabs"}


class Examples(NamedTuple):
    """Labelled texts, before tokenization."""

    splits: Splits  # each with `texts`, strings [examples], and `targets`, int32 [examples], class numbers
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what was left out, for display


class Table(NamedTuple):
    """The contents of a table."""

    texts: list[str]
    labels: list[str]
    left_out: int  # the number of rows without a text or a label


def load_labelled_text(*, data_dir: str | None = None, **keys: Any) -> Dataset:
    """Load a user's tables of labelled texts, with the keys of the config section `LabelledText`.

    A split without a table is a stratified tenth of `file`. Raises UserError for an invalid table.
    """
    options = LabelledText.model_construct(**keys)
    check_encoding(options.encoding)
    paths = split_paths(options)
    contents = {split: [digest, _separator_of(paths[split])] for split, digest in hash_splits(paths).items()}
    columns = (options.label_column, options.text_column, options.has_header)
    folds = options.validation_folds, options.validation_fold
    source, origin = (
        [_FORMAT, [contents, columns, options.encoding, folds]],
        ", ".join(map(str, paths.values())),
    )
    read = partial(_read, paths, columns, options.encoding, folds)
    return tokenize("labelled_text", source, options, read, origin, data_dir)


def _read(
    paths: Mapping[str, Path],
    columns: tuple[str, str, bool],
    encoding: str,
    folds: tuple[int | None, int | None],
) -> Examples:
    tables = {split: read_table(path, *columns, encoding) for split, path in paths.items()}
    classes, targets = number_classes({split: table.labels for split, table in tables.items()}, paths)
    splits: Splits = {}
    for split, table in tables.items():
        splits[split] = {"texts": np.array(table.texts, object), "targets": targets[split]}
    splits = add_missing_splits(splits, classes, paths["train"])
    splits = fold_splits(splits, *folds, paths["train"])
    left_out = sum(table.left_out for table in tables.values())
    notes = (f"{left_out:,} rows without a text or a label left out",) if left_out else ()
    return Examples(splits, classes, notes)


def _separator_of(path: Path) -> str:
    if path.suffix.lower() not in _SEPARATORS:
        raise UserError(f"{path}: must end with .csv (commas), or .tsv, .tab or .txt (tabs)")
    return _SEPARATORS[path.suffix.lower()]


def read_table(path: Path, label_column: str, text_column: str, has_header: bool, encoding: str) -> Table:
    """Read a table; raise UserError if it lacks a column, or a row has a different number of columns."""
    rows = _rows(path, decode_file(path, encoding))
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path}: empty")
    width = len(first[1])
    names = first[1] if has_header else [str(number) for number in range(1, width + 1)]
    label_index = _index_of(path, "label_column", label_column, names)
    text_index = _index_of(path, "text_column", text_column, names)
    texts, labels, left_out = [], [], 0
    for line, row in rows if has_header else itertools.chain([first], rows):
        if len(row) != width:
            found = f"line {line:,} has {len(row)} columns"
            raise UserError(f"{path}: {found}: must have {width} as the first line")
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


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the last line of each row and the row, without empty rows.

    `.csv` files have semicolons if the first line has one and no comma: many countries' spreadsheets do.
    """
    if _separator_of(path) == "tabs":
        lines = enumerate(text.split("\n"), start=1)
        yield from ((number, line.rstrip("\r").split("\t")) for number, line in lines if line.strip())
        return
    first = text.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num:,}: {error}") from error


def tokenize(
    kind: str,
    source: list[Any],
    options: Options,
    read: Callable[[], Examples],
    origin: str,
    data_dir: str | None,
) -> Dataset:
    """Return labelled texts as tokens, which are prepared once in a folder of that `kind`, and truncated.

    `read` reads the texts from `origin`, a name for display; `source`, plain values, decides its result.
    """
    values = [*source, [options.tokenizer, options.vocabulary_size]]
    folder, version = prepared.prepare(kind, values, data_dir, origin, partial(_prepare, read, options))
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    classes = prepared.load_strings(folder / "about.json", "classes")
    spec = {"kind": "labelled_text", "unit": vocabulary.unit, "vocabulary": len(vocabulary)}
    splits = prepared.load_arrays(folder / "arrays.npz", ("lengths", "targets", "steps"))
    notes = prepared.load_strings(folder / "about.json", "notes")
    data = Dataset(version, {**spec, "classes": len(classes)}, splits, vocabulary, classes, notes)
    return truncate_sequences(data, options.max_length, options.truncate)


def _prepare(read: Callable[[], Examples], options: Imdb | LabelledText, folder: Path, version: str) -> None:
    examples = read()
    texts = examples.splits["train"]["texts"].tolist()
    vocabulary, splits = _VOCABULARIES[options.tokenizer](texts, options.vocabulary_size), {}
    for split, arrays in examples.splits.items():
        tokens = [vocabulary.encode(text).astype(np.int32) for text in arrays["texts"]]
        splits[split] = join_sequences(tokens, arrays["targets"])
    prepared.save_arrays(folder / "arrays.npz", splits)
    vocabulary.save(folder / "vocabulary.json", version)
    write_json(folder / "about.json", {"classes": examples.classes, "notes": examples.notes})
