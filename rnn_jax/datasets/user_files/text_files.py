"""A user's text files as tokens, prepared once.

The prepared data are the vocabulary and a file of token numbers for each split, which is mapped into memory
and may be larger than it. A single file is split in order, where a line ends: eight tenths for training, one
for validation, one for test.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from rnn_jax.config.sections.dataset import Text
from rnn_jax.datasets import prepared
from rnn_jax.datasets.dataset import SPLITS, Dataset
from rnn_jax.datasets.safe_reading import (
    decoding,
    encoding_of,
    hash_splits,
    reading,
    split_paths,
)
from rnn_jax.datasets.segmentation import normalize, split_off_last_character, split_words
from rnn_jax.datasets.text_encodings import check_encoding, open_text
from rnn_jax.datasets.vocabulary import Vocabulary, learn_bpe, learn_characters, learn_words
from rnn_jax.runtime.errors import UserError

_BLOCK = 1 << 16  # characters of one read
_FORMAT = 2  # part of the version of the data: increase it when the same files are read differently


def load_text(*, data_dir: str | None = None, **keys: Any) -> Dataset:
    """Load a user's text, with the keys of the config section `Text`; raise UserError for an invalid file."""
    options = Text.model_construct(**keys)
    if options.tokenizer != "bytes" and options.encoding is not None:
        check_encoding(options.encoding)
    paths = split_paths(options)
    values = [_FORMAT, hash_splits(paths), [options.tokenizer, options.vocabulary_size, options.encoding]]
    origin = ", ".join(map(str, paths.values()))
    folder, version = prepared.prepare("text", values, data_dir, origin, partial(_prepare, paths, options))
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    splits = {}
    for split in SPLITS:
        with reading(path := folder / f"{split}.tokens"):
            splits[split] = {"tokens": np.memmap(path, vocabulary.dtype, mode="r")}
    spec = {"kind": "text", "unit": vocabulary.unit, "vocabulary": len(vocabulary)}
    return Dataset(version, spec, splits, vocabulary)


def _prepare(paths: Mapping[str, Path], options: Text, folder: Path, version: str) -> None:
    """Write the vocabulary and the tokens of each split."""
    parts = _parts(paths, options)
    for split, part in parts.items():
        if next(iter(part), None) is None:
            share = ", eight tenths of the file" if split == "train" else ", a tenth of the file"
            raise UserError(f"{part.path}: empty: has no text for {split}{share if len(paths) == 1 else ''}")
    vocabulary = _learn(parts, options)
    for split, part in parts.items():
        with (folder / f"{split}.tokens").open("wb") as file:
            for text in part:
                file.write(vocabulary.encode(text).astype(vocabulary.dtype).tobytes())
            if file.tell() == 0:
                raise UserError(f"{part.path}: empty: has no token for {split}")
    vocabulary.save(folder / "vocabulary.json", version)


def _learn(parts: Mapping[str, "_Part"], options: Text) -> Vocabulary:
    """Learn the vocabulary of the training text; all characters of the other splits have numbers, too."""
    train, size = parts["train"], options.vocabulary_size
    texts = (text for part in parts.values() for text in part)
    if options.tokenizer == "words":
        words = learn_words(train, size, unknown=False)
        if all(word in words.numbers for text in texts for word in split_words(text)):
            return words
        return learn_words(train, size)
    if options.tokenizer == "characters":
        return learn_characters(texts if size is None else train, size)
    return learn_bpe(train, size) if options.tokenizer == "bpe" else Vocabulary("byte")


def _parts(paths: Mapping[str, Path], options: Text) -> dict[str, "_Part"]:
    """Return the text of each split: a file each, or tenths of one file."""
    parts = {split: _Part(path, options) for split, path in paths.items()}
    if len(parts) > 1:
        return parts
    length = sum(map(len, parts["train"]))
    bounds = (0, 8 * length // 10, 9 * length // 10, length)
    block = max(1, min(_BLOCK, length // 200))  # so that a single long line is split, too
    return {
        split: _Part(paths["train"], options, start, end, block)
        for split, start, end in zip(SPLITS, bounds, bounds[1:], strict=False)
    }


@dataclass(frozen=True)
class _Part:
    """The text of one split: the blocks of a file that start at a character from `start` to `end`.

    A block ends between words, and with a line unless the line is longer than `block` characters.
    """

    path: Path
    options: Text
    start: int = 0
    end: float = math.inf
    block: int = _BLOCK

    def __iter__(self) -> Iterator[str]:
        position, path, tokenizer = 0, self.path, self.options.tokenizer
        encoding = self.options.encoding or encoding_of(path)
        with (
            decoding(path, encoding),
            path.open("rb") as data,
            open_text(data, tokenizer, encoding) as text_file,
        ):
            file = text_file if tokenizer == "bytes" else _NormalizedText(text_file)
            while position < self.end and (text := file.read(self.block)):
                if not text.endswith("\n"):
                    text += file.readline(self.block)
                if tokenizer in ("words", "bpe"):
                    while not text[-1].isspace() and (more := file.read(1)):
                        text += more
                if tokenizer != "bytes":
                    text.encode()  # raises for lone surrogates, to which some encodings decode
                if position >= self.start:
                    yield text
                position += len(text)


class _NormalizedText:
    """Reads a text file in NFC, with the methods of a text file that `_Part` needs."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._last = file.read(1).removeprefix("\ufeff")  # a character that the next block may change
        self._text = ""

    def read(self, size: int) -> str:
        self._fill(size)
        return self._take(size)

    def readline(self, size: int) -> str:
        self._fill(size)
        return self._take(self._text.find("\n", 0, size) + 1 or size)

    def _fill(self, size: int) -> None:
        while len(self._text) < size and (block := self._file.read(_BLOCK)):
            complete, self._last = split_off_last_character(self._last + block)
            self._text += normalize(complete)
        if len(self._text) < size:
            self._text, self._last = self._text + normalize(self._last), ""

    def _take(self, size: int) -> str:
        taken, self._text = self._text[:size], self._text[size:]
        return taken
