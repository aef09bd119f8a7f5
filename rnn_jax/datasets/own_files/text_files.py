"""One's own text files as tokens: read once, and kept beside the other prepared data, see `own.py`.

What is kept is the vocabulary, and a file of token numbers for each split, which is mapped into memory, not
read, so that it may be larger than that. A file without companions is cut into tenths: eight to train, one to
validate, one to test, where a line ends.
"""

import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

import numpy as np

from rnn_jax.datasets import untrusted, vocabulary
from rnn_jax.datasets.dataset import SPLITS, Loaded, Spec, Splits
from rnn_jax.datasets.own_files import own
from rnn_jax.datasets.published import sources
from rnn_jax.datasets.vocabulary import Vocabulary
from rnn_jax.runtime.errors import UserError

UNITS = {"words": "word", "characters": "character", "bytes": "byte", "bpe": "piece"}
_BLOCK = 1 << 16  # characters that are read at a time at most
_READING = 1  # to be counted up where files are read otherwise than before


class Reading(NamedTuple):
    """How files become tokens: keys of the config section `dataset`."""

    tokenizer: str
    """A key of `UNITS`."""
    vocabulary_size: int | None
    encoding: str


def load(
    *,
    file: str | None,
    validation_file: str | None,
    test_file: str | None,
    tokenizer: str | None,
    vocabulary_size: int | None,
    encoding: str | None,
    data_dir: str | None = None,
) -> Loaded:
    """Loads a text of one's own, which is read and kept where that has not been done.

    Args:
        file: the file to train with.
        validation_file: the file to validate with; where it is None, so is `test_file`, and both splits are
            cut from `file`.
        test_file: the file to test with.
        tokenizer: what a token is, a key of `UNITS`.
        vocabulary_size: how many there are; None: all words or characters of the training text.
        encoding: the encoding of the files.
        data_dir: the folder of prepared data; None: that of TFDS.

    Raises:
        UserError: a file cannot be read, is empty or not in the encoding, or a token is not in the
            vocabulary.
        StorageError: the disk is full.
    """
    assert tokenizer is not None
    assert encoding is not None
    reading = Reading(tokenizer, vocabulary_size, encoding)
    check_encoding(encoding, tokenizer)
    paths = own.files(file, validation_file, test_file)
    digests = {split: sources.checksum(path) for split, path in paths.items()}
    digest = own.digest_of([_READING, digests, reading])
    origin = ", ".join(str(path) for path in paths.values())
    version = digest[: own.SHOWN]
    folder = own.keep("text", digest, data_dir, origin, lambda made: _prepare(paths, reading, version, made))
    found = vocabulary.load(folder / "vocabulary.json")
    splits: Splits = {split: {"tokens": _tokens(folder / f"{split}.tokens", found)} for split in SPLITS}
    spec: Spec = {"kind": "text", "unit": found.unit, "vocabulary": len(found)}
    return Loaded(version, spec, splits, found)


def _tokens(file: Path, of: Vocabulary) -> np.ndarray:
    with untrusted.reading(file):
        return np.memmap(file, of.dtype, mode="r")


def check_encoding(encoding: str, tokens: str = "words") -> None:
    """Raises UserError where there is no such encoding of text."""
    try:
        open_text(io.BytesIO(), tokens, encoding)
    except (LookupError, ValueError) as error:  # ValueError: a zero byte in its name
        raise UserError(f"dataset.encoding = {encoding}: no such encoding of text; utf-8 is one") from error


def _prepare(paths: Mapping[str, Path], reading: Reading, version: str, folder: Path) -> None:
    """Writes the vocabulary and the tokens of each split."""
    parts = _parts(paths, reading)
    for split, part in parts.items():
        if next(iter(part), None) is None:
            whole = "" if len(paths) > 1 else f" (a {'tenth' if split != 'train' else 'part'} of the file)"
            raise UserError(f"{part.path}: empty: nothing is left for {split}{whole}")
    found = _learn(parts, reading)
    for split, part in parts.items():
        _write_tokens(part, found, split, folder / f"{split}.tokens")
    found.save(folder / "vocabulary.json", version)


def _write_tokens(part: "_Part", of: Vocabulary, split: str, path: Path) -> None:
    with path.open("wb") as file:
        for text in part:
            file.write(of.encode(text).astype(of.dtype).tobytes())
        if file.tell() == 0:
            raise UserError(f"{part.path}: empty: there is no token for {split}")


def _learn(parts: Mapping[str, "_Part"], reading: Reading) -> Vocabulary:
    """The vocabulary of the training part; of characters, all that there are have a number."""
    train, most = parts["train"], reading.vocabulary_size
    if reading.tokenizer == "words":
        known = vocabulary.words(train, most, unknown=False)
        foreign = any(
            word not in known.numbers
            for part in parts.values()
            for text in part
            for word in vocabulary.split_words(text)
        )
        return vocabulary.words(train, most) if foreign else known
    if reading.tokenizer == "characters":
        everything = (text for part in parts.values() for text in part)
        return vocabulary.characters(everything if most is None else train, most)
    if reading.tokenizer == "bpe":
        assert most is not None
        return vocabulary.pieces(iter(train), most)
    return Vocabulary("byte")


def _parts(paths: Mapping[str, Path], reading: Reading) -> dict[str, "_Part"]:
    """The splits: a file each, or tenths of one."""
    if len(paths) > 1:
        return {split: _Part(path, reading, 0, math.inf, _BLOCK) for split, path in paths.items()}
    path = paths["train"]
    length = sum(len(block) for block in _Part(path, reading, 0, math.inf, _BLOCK))
    block = max(1, min(_BLOCK, length // 200))  # one long line, if need be, is cut as well
    bounds = (0, 8 * length // 10, 9 * length // 10, length)
    return {
        split: _Part(path, reading, begin, end, block)
        for split, begin, end in zip(SPLITS, bounds, bounds[1:], strict=False)
    }


class _Part:
    """The text of one split, in blocks that end between words; it can be read more than once."""

    def __init__(self, path: Path, reading: Reading, begin: int, end: float, block: int) -> None:
        """The blocks of a file that begin from character `begin` to `end`."""
        self.path, self._block = path, block
        self._tokens, self._encoding = reading.tokenizer, reading.encoding
        self._whole_words = reading.tokenizer in ("words", "bpe")
        self._from, self._to = begin, end

    def __iter__(self) -> Iterator[str]:
        begins = 0
        for block in self._read():
            if begins >= self._to:
                return
            if begins >= self._from:
                yield block
            begins += len(block)

    def _read(self) -> Iterator[str]:
        """The whole file in blocks, which end with a line unless that is as long as a block."""
        try:
            with self.path.open("rb") as binary, open_text(binary, self._tokens, self._encoding) as file:
                while block := file.read(self._block):
                    if not block.endswith("\n"):
                        block += file.readline(self._block)
                    while self._whole_words and not block[-1].isspace() and (more := file.read(1)):
                        block += more
                    yield block if self._tokens == "bytes" else whole(block)
        except UnicodeError as error:
            raise UserError(
                f"{self.path}: {not_in_encoding(self.path.read_bytes(), self._encoding, error)}"
            ) from error
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from error


def open_text(binary: BinaryIO, tokens: str, encoding: str) -> TextIO:
    """A file as the text that is made into such tokens.

    Every line ends with a line feed, however it does in the file, and a mark of byte order is no character;
    of bytes nothing is changed, and they need not be in any encoding.

    Raises:
        LookupError: there is no such encoding of text.
    """
    if tokens == "bytes":
        return io.TextIOWrapper(binary, encoding="utf-8", errors="surrogateescape", newline="")
    with_mark = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    return io.TextIOWrapper(binary, encoding=with_mark, errors="strict", newline=None)


def whole(text: str) -> str:
    """The text; raises UnicodeError for half of a character, which some encodings decode to."""
    text.encode()
    return text


def not_in_encoding(data: bytes, encoding: str, found: UnicodeError) -> str:
    """What was found wrong with data in an encoding, and where: a reader knows it of its own block alone."""
    what = str(found)
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte {error.start:,}, in line {line:,}, is 0x{data[error.start]:02x}"
    except UnicodeError:
        pass
    return f"not {encoding}: {what}; dataset.encoding says what it is"
