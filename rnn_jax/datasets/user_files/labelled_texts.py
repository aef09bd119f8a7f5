"""Labelled texts: a user's tables of texts, and the tokenization of all labelled texts.

A table has one line for each text, with columns for its label and the text itself; see `tables.py`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.config.sections.dataset import Imdb, LabelledText
from rnn_jax.datasets import prepared
from rnn_jax.datasets.dataset import Dataset, Splits, join_sequences, truncate_sequences
from rnn_jax.datasets.safe_reading import hash_splits, read_json, split_paths
from rnn_jax.datasets.splitting import add_missing_splits, fold_splits, number_classes
from rnn_jax.datasets.text_encodings import check_encoding
from rnn_jax.datasets.user_files import tables
from rnn_jax.datasets.user_files.tables import Columns, Table
from rnn_jax.datasets.vocabulary import Vocabulary, learn_bpe, learn_characters, learn_plain_words
from rnn_jax.runtime.command import warn
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
_SUFFIXES = (*tables.SUFFIXES, ".txt")


class Examples(NamedTuple):
    """Labelled texts, before tokenization."""

    splits: Splits  # each with `texts`, strings [examples], and `targets`, int32 [examples], class numbers
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what was left out, for display
    warnings: tuple[str, ...] = ()


class LabelledTexts(NamedTuple):
    """The contents of a table."""

    texts: list[str]
    labels: list[str]
    left_out: int  # the number of rows without a text or a label
    table: Table


def load_labelled_text(*, data_dir: str | None = None, **keys: Any) -> Dataset:
    """Load a user's tables of labelled texts, with the keys of the config section `LabelledText`.

    A split without a table is a stratified tenth of `file`. Raises UserError for an invalid table.
    """
    options = LabelledText.model_construct(**keys)
    if options.encoding is not None:
        check_encoding(options.encoding)
    paths, columns = split_paths(options), Columns.of_config(options)
    contents = {split: [digest, _suffix_of(paths[split])] for split, digest in hash_splits(paths).items()}
    folds = options.validation_folds, options.validation_fold
    source, origin = [_FORMAT, [contents, columns, folds]], ", ".join(map(str, paths.values()))
    return tokenize("labelled_text", source, options, partial(_read, paths, columns, folds), origin, data_dir)


def _read(paths: Mapping[str, Path], columns: Columns, folds: tuple[int | None, int | None]) -> Examples:
    read = {split: read_labelled_texts(path, columns) for split, path in paths.items()}
    classes, targets = number_classes({split: own.labels for split, own in read.items()}, paths)
    splits: Splits = {}
    for split, own in read.items():
        splits[split] = {"texts": np.array(own.texts, object), "targets": targets[split]}
    splits = add_missing_splits(splits, classes, paths["train"])
    splits = fold_splits(splits, *folds, paths["train"])
    notes = [f"table: {form}" for form in dict.fromkeys(own.table.format.describe() for own in read.values())]
    if left_out := sum(own.left_out for own in read.values()):
        notes.append(f"{left_out:,} rows without a text or a label left out")
    warnings = [warning for own in read.values() for warning in own.table.warnings]
    return Examples(splits, classes, tuple(notes), tuple(warnings))


def _suffix_of(path: Path) -> str:
    if path.suffix.lower() not in _SUFFIXES:
        raise UserError(f"{path}: must end with .csv (commas), or .tsv, .tab or .txt (tabs)")
    return path.suffix.lower()


def read_labelled_texts(path: Path, columns: Columns) -> LabelledTexts:
    """Read a table; raise UserError if it lacks a column, or a row has a different number of columns."""
    table = tables.read_table(path, columns)
    texts, labels, left_out = [], [], 0
    assert table.label is not None
    for row in table.rows:
        if problem := table.problem_of(row):
            raise UserError(f"{path}: {problem}")
        text, label = row[1][table.text].strip(), tables.strip_name(row[1][table.label])
        if text and label:
            texts.append(text)
            labels.append(label)
        else:
            left_out += 1
    if not texts:
        raise UserError(f"{path}: has no row with a text and a label")
    return LabelledTexts(texts, labels, left_out, table)


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
    for warning in read_json(folder / "about.json").get("warnings", ()):
        warn(warning)
    data = Dataset(version, {**spec, "classes": len(classes)}, splits, vocabulary, classes, notes)
    data = data._replace(source=prepared.version_of([kind, source]))
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
    about = {"classes": examples.classes, "notes": examples.notes, "warnings": examples.warnings}
    write_json(folder / "about.json", about)
