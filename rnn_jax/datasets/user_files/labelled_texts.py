"""Labelled texts: a user's tables of texts, and the tokenization of all labelled texts."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.datasets import prepared, ragged
from rnn_jax.datasets.dataset import SPLITS, Dataset
from rnn_jax.datasets.ragged import Truncation
from rnn_jax.datasets.safe_reading import sha256
from rnn_jax.datasets.splitting import number_classes, split_rows
from rnn_jax.datasets.user_files.encodings import check_encoding
from rnn_jax.datasets.user_files.paths import split_paths
from rnn_jax.datasets.user_files.tables import Columns, read_table, separator_of
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.datasets.vocabulary_learning import learn_bpe, learn_characters, learn_plain_words
from rnn_jax.runtime.files import write_json

_FORMAT = 1  # part of the version of the data: increase it when the same files are read differently


class Examples(NamedTuple):
    """Labelled texts, before tokenization."""

    texts: Mapping[str, list[str]]
    """Of each split."""
    targets: Mapping[str, np.ndarray]
    """Class numbers of each split, int32 [examples]."""
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What was left out, for display."""


class Tokenization(NamedTuple):
    """How texts become tokens: keys of the config section `dataset`."""

    tokenizer: str
    vocabulary_size: int | None


def load_labelled_text(
    *,
    file: str,
    validation_file: str | None,
    test_file: str | None,
    label_column: str,
    text_column: str,
    has_header: bool,
    encoding: str,
    tokenizer: str,
    vocabulary_size: int | None,
    max_length: int | None,
    truncate: Truncation,
    data_dir: str | None = None,
) -> Dataset:
    """Load a user's tables of labelled texts.

    The arguments are keys of the config section `dataset`: see `config/sections/dataset.py`. A split without
    a table is a stratified tenth of `file`.

    Raises:
        UserError: a file cannot be read, is not in the encoding, or is no such table; a class has one text.
        StorageError: the disk is full.
    """
    check_encoding(encoding)
    paths = split_paths(file, validation_file, test_file)
    columns = Columns(label_column, text_column, has_header)
    contents = {split: [sha256(path), separator_of(path)] for split, path in paths.items()}
    data = tokenize(
        "labelled_text",
        [contents, columns, encoding],
        Tokenization(tokenizer, vocabulary_size),
        lambda: _read_examples(paths, columns, encoding),
        ", ".join(map(str, paths.values())),
        data_dir,
    )
    return ragged.truncate(data, max_length, truncate)


def _read_examples(paths: Mapping[str, Path], columns: Columns, encoding: str) -> Examples:
    tables = {split: read_table(path, columns, encoding) for split, path in paths.items()}
    texts = {split: table.texts for split, table in tables.items()}
    classes, targets = number_classes({split: table.labels for split, table in tables.items()}, paths)
    train, labels = texts["train"], targets["train"]
    missing = [split for split in SPLITS if split not in paths]
    for split, rows in split_rows(labels, classes, missing, paths["train"]).items():
        texts[split], targets[split] = [train[row] for row in rows], labels[rows]
    left_out = sum(table.left_out for table in tables.values())
    notes = (f"{left_out:,} rows without a text or a label left out",) if left_out else ()
    return Examples(texts, targets, classes, notes)


def tokenize(
    kind: str,
    source: Any,
    tokenization: Tokenization,
    read: Callable[[], Examples],
    origin: str,
    data_dir: str | None,
) -> Dataset:
    """Return labelled texts as tokens, which are prepared once.

    Args:
        kind: names the folder of the prepared tokens.
        source: plain values that decide the result of `read`.
        tokenization: how texts become tokens.
        read: reads the texts.
        origin: of the texts, for display.
        data_dir: the folder of prepared data; None: TFDS's own.

    Raises:
        UserError: raised by `read`, or the library `tokenizers` is missing.
        StorageError: the disk is full.
    """
    digest = prepared.digest_of([_FORMAT, source, tokenization])
    version = prepared.version_of(digest)
    folder = prepared.prepare(
        kind, digest, data_dir, origin, lambda target: _prepare(read(), tokenization, version, target)
    )
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    classes = prepared.load_strings(folder / "about.json", "classes")
    return Dataset(
        version,
        {
            "kind": "labelled_text",
            "unit": vocabulary.unit,
            "vocabulary": len(vocabulary),
            "classes": len(classes),
        },
        prepared.load_arrays(folder / "arrays.npz", ("lengths", "targets", "steps")),
        vocabulary,
        classes,
        prepared.load_strings(folder / "about.json", "notes"),
    )


def _prepare(examples: Examples, tokenization: Tokenization, version: str, folder: Path) -> None:
    learn = _VOCABULARIES[tokenization.tokenizer]
    vocabulary = learn(examples.texts["train"], tokenization.vocabulary_size)
    splits = {
        split: ragged.join(
            [vocabulary.encode(text).astype(np.int32) for text in texts], examples.targets[split]
        )
        for split, texts in examples.texts.items()
    }
    prepared.save_arrays(folder / "arrays.npz", splits)
    vocabulary.save(folder / "vocabulary.json", version)
    write_json(folder / "about.json", {"classes": examples.classes, "notes": examples.notes})


# New texts may have tokens that no training text has: there is an unknown token, except for bytes.
_MAX_CHARACTERS = 0x110000
_VOCABULARIES: dict[str, Callable[[Iterable[str], int | None], Vocabulary]] = {
    "words": learn_plain_words,
    "characters": lambda texts, size: learn_characters(texts, size or _MAX_CHARACTERS),
    "bytes": lambda texts, size: Vocabulary("byte"),
    "bpe": learn_bpe,
}
