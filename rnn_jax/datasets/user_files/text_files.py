"""A user's text files as tokens, prepared once.

The prepared data are the vocabulary and a file of token numbers for each split, which is mapped into memory
and may be larger than it. A single file is split in order, where a line ends: eight tenths for training, one
for validation, one for test.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.datasets import prepared
from rnn_jax.datasets.dataset import SPLITS, Dataset
from rnn_jax.datasets.safe_reading import reading, sha256
from rnn_jax.datasets.user_files.encodings import check_encoding, decoding_problem, open_text, require_text
from rnn_jax.datasets.user_files.paths import split_paths
from rnn_jax.datasets.vocabulary import Vocabulary, split_words
from rnn_jax.datasets.vocabulary_learning import learn_bpe, learn_characters, learn_words
from rnn_jax.runtime.errors import UserError

_BLOCK = 1 << 16  # characters of one read
_FORMAT = 1  # part of the version of the data: increase it when the same files are read differently


class Tokenization(NamedTuple):
    """How files become tokens: keys of the config section `dataset`."""

    tokenizer: str
    vocabulary_size: int | None
    encoding: str


def load_text(
    *,
    file: str,
    validation_file: str | None,
    test_file: str | None,
    tokenizer: str,
    vocabulary_size: int | None,
    encoding: str,
    data_dir: str | None = None,
) -> Dataset:
    """Load a user's text.

    The arguments are keys of the config section `dataset`: see `config/sections/dataset.py`.

    Raises:
        UserError: a file cannot be read, is empty, or is not in the encoding.
        StorageError: the disk is full.
    """
    if tokenizer != "bytes":
        check_encoding(encoding)
    paths = split_paths(file, validation_file, test_file)
    tokenization = Tokenization(tokenizer, vocabulary_size, encoding)
    contents = {split: sha256(path) for split, path in paths.items()}
    digest = prepared.digest_of([_FORMAT, contents, tokenization])
    version, origin = prepared.version_of(digest), ", ".join(map(str, paths.values()))
    folder = prepared.prepare(
        "text", digest, data_dir, origin, lambda target: _prepare(paths, tokenization, version, target)
    )
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    splits = {}
    for split in SPLITS:
        with reading(path := folder / f"{split}.tokens"):
            splits[split] = {"tokens": np.memmap(path, vocabulary.dtype, mode="r")}
    spec = {"kind": "text", "unit": vocabulary.unit, "vocabulary": len(vocabulary)}
    return Dataset(version, spec, splits, vocabulary)


def _prepare(paths: Mapping[str, Path], tokenization: Tokenization, version: str, folder: Path) -> None:
    """Write the vocabulary and the tokens of each split."""
    parts = _parts(paths, tokenization)
    for split, part in parts.items():
        if next(iter(part), None) is None:
            share = "eight tenths" if split == "train" else "a tenth"
            where = "" if len(paths) > 1 else f", {share} of the file"
            raise UserError(f"{part.path}: empty: has no text for {split}{where}")
    vocabulary = _learn(parts, tokenization)
    for split, part in parts.items():
        with (folder / f"{split}.tokens").open("wb") as file:
            for text in part:
                file.write(vocabulary.encode(text).astype(vocabulary.dtype).tobytes())
            if file.tell() == 0:
                raise UserError(f"{part.path}: empty: has no token for {split}")
    vocabulary.save(folder / "vocabulary.json", version)


def _learn(parts: Mapping[str, "_Part"], tokenization: Tokenization) -> Vocabulary:
    """Learn the vocabulary of the training text; all characters of the other splits have numbers, too."""
    train, size = parts["train"], tokenization.vocabulary_size
    if tokenization.tokenizer == "words":
        words = learn_words(train, size, unknown=False)
        texts = (text for part in parts.values() for text in part)
        if all(word in words.numbers for text in texts for word in split_words(text)):
            return words
        return learn_words(train, size)
    if tokenization.tokenizer == "characters":
        texts = (text for part in parts.values() for text in part)
        return learn_characters(texts if size is None else train, size)
    return learn_bpe(train, size) if tokenization.tokenizer == "bpe" else Vocabulary("byte")


def _parts(paths: Mapping[str, Path], tokenization: Tokenization) -> dict[str, "_Part"]:
    """Return the text of each split: a file each, or tenths of one file."""
    parts = {split: _Part(path, tokenization) for split, path in paths.items()}
    if len(parts) > 1:
        return parts
    length = sum(map(len, parts["train"]))
    bounds = (0, 8 * length // 10, 9 * length // 10, length)
    block = max(1, min(_BLOCK, length // 200))  # so that a single long line is split, too
    return {
        split: _Part(paths["train"], tokenization, start, end, block)
        for split, start, end in zip(SPLITS, bounds, bounds[1:], strict=False)
    }


class _Part:
    """The text of one split, an iterable of blocks that end between words."""

    def __init__(
        self,
        path: Path,
        tokenization: Tokenization,
        start: int = 0,
        end: float = math.inf,
        block: int = _BLOCK,
    ) -> None:
        """The blocks of a file that start at a character from `start` to `end`."""
        self.path, self._start, self._end, self._block = path, start, end, block
        self._tokenizer, self._encoding = tokenization.tokenizer, tokenization.encoding

    def __iter__(self) -> Iterator[str]:
        position = 0
        for block in self._read():
            if position >= self._end:
                return
            if position >= self._start:
                yield block
            position += len(block)

    def _read(self) -> Iterator[str]:
        """Yield the whole file in blocks, which end with a line unless it is longer than a block."""
        try:
            with self.path.open("rb") as binary, open_text(binary, self._tokenizer, self._encoding) as file:
                while block := file.read(self._block):
                    if not block.endswith("\n"):
                        block += file.readline(self._block)
                    if self._tokenizer in ("words", "bpe"):
                        while not block[-1].isspace() and (more := file.read(1)):
                            block += more
                    yield block if self._tokenizer == "bytes" else require_text(block)
        except UnicodeError as error:
            problem = decoding_problem(self.path.read_bytes(), self._encoding, error)
            raise UserError(f"{self.path}: {problem}") from error
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from error
