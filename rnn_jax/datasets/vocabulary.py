"""Vocabularies: text to token numbers, and back.

A token is a word, a character, a byte or a piece of a word (BPE); this is the vocabulary's `unit`. Words are
separated by spaces, and the end of a line is the word `<eos>`, as in Mikolov's Penn Treebank. A plain word is
in lower case, punctuation marks are words of their own, and line ends are ignored. The unknown token `<unk>`,
if there is one, stands for everything out of vocabulary. All texts but those of bytes are in NFC (see
`segmentation.py`). The file format is JSON:

    {"unit": "character", "version": "1.0.0", "tokens": ["\\n", " ", "!", ...]}
"""

import codecs
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rnn_jax.datasets.safe_reading import read_json, reading
from rnn_jax.datasets.segmentation import (
    BPE_PATTERN,
    END_OF_LINE,
    normalize,
    split_plain_words,
    split_words,
)
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

Unit = Literal["word", "plain_word", "character", "byte", "piece"]
UNKNOWN = "<unk>"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # a lone surrogate
_BPE_PARTS: list[tuple[list[str], list[str]]] = [
    (["BPE", "Split", "ByteLevel", "ByteLevel"], [BPE_PATTERN]),
    (["BPE", "ByteLevel", "ByteLevel"], []),  # of version 0.2.0
]
_MAX_SHOWN = 40  # characters of a text in an error message


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a text and their numbers."""

    unit: str  # a `Unit`
    tokens: tuple[str, ...] = ()  # words or characters by number; empty for bytes and pieces
    bpe: str | None = None  # for pieces, the tokenizer as JSON of the library `tokenizers`

    def __len__(self) -> int:
        if self.unit == "byte":
            return 256
        return self._tokenizer.get_vocab_size() if self.unit == "piece" else len(self.tokens)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each word or character."""
        return {token: number for number, token in enumerate(self.tokens)}

    @property
    def unknown(self) -> int | None:
        """The number of the unknown token, if there is one."""
        return self.numbers.get(UNKNOWN)

    @property
    def is_unknown_alone(self) -> bool:
        """Whether it has no word: only the unknown token, or the end of a line as well."""
        return UNKNOWN in self.tokens and {*self.tokens} <= {UNKNOWN, END_OF_LINE}

    @property
    def start(self) -> int:
        """The token that precedes a text: the end of a line if there is one, else token 0."""
        if self.unit == "word":
            return self.numbers[END_OF_LINE]
        return self.numbers.get("\n", 0) if self.unit == "character" else int(self.encode("\n")[0])

    @property
    def dtype(self) -> type[np.generic]:
        """The smallest of two integer types that holds every token number."""
        return np.uint16 if len(self) <= 1 << 16 else np.int32

    def encode(self, text: str) -> np.ndarray:
        """Return the token numbers of a text, int32 [tokens]; raise UserError if one is out of vocabulary."""
        if self.unit == "byte":
            return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int32)
        text = normalize(text)
        if self.unit == "piece":
            if _HALF_CHARACTER.search(text):
                raise UserError(f"{text[:_MAX_SHOWN]!r}: has half of a character (a lone surrogate)")
            return np.array(self._tokenizer.encode(text).ids, np.int32)
        if self.unit == "character":
            return self._encode_characters(text)
        words = split_words(text) if self.unit == "word" else split_plain_words(text)
        numbers, unknown = self.numbers, self.unknown
        found = [numbers.get(word, unknown) for word in words]
        if None in found:
            raise _out_of_vocabulary("word", words[found.index(None)])
        return np.array(found, np.int32)

    def _encode_characters(self, text: str) -> np.ndarray:
        code_points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        found = self._by_code_point[code_points]
        if self.unknown is not None:
            return np.where(found < 0, self.unknown, found)
        if (found < 0).any():
            place = int(np.argmin(found))
            line = text.count("\n", 0, place) + 1
            raise _out_of_vocabulary(f"line {line}: the character", text[place])
        return found

    def decoder(self) -> Callable[[int], str]:
        """Return a function from one token number of a text to its characters, to be called in order.

        The result may be empty: the last byte of a character returns all of it.
        """
        if self.unit == "byte":
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            return lambda number: decoder.decode(bytes([number]))
        if self.unit == "piece":
            stream = tokenizers_library().decoders.DecodeStream()
            return lambda number: stream.step(self._tokenizer, number) or ""
        if self.unit == "character":
            shown = [token if token != UNKNOWN else "\N{REPLACEMENT CHARACTER}" for token in self.tokens]
            return shown.__getitem__
        if self.unit == "plain_word":
            return lambda number: f"{self.tokens[number]} "
        at_line_start = True

        def decode_word(number: int) -> str:
            nonlocal at_line_start
            word = self.tokens[number]
            separator, at_line_start = "" if at_line_start else " ", word == END_OF_LINE
            return "\n" if at_line_start else separator + word

        return decode_word

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of some token numbers."""
        decode = self.decoder()
        return "".join(decode(int(number)) for number in numbers)

    def save(self, file: Path, version: str) -> None:
        """Write the vocabulary as JSON, with the version of the data that it belongs to."""
        content = {"unit": self.unit, "version": version, "tokens": list(self.tokens), "pieces": self.bpe}
        write_json(file, {key: value for key, value in content.items() if value not in ([], None)})

    @classmethod
    def load(cls, file: Path) -> "Vocabulary":
        """Load a saved vocabulary; raise UserError for another file, or a link out of its folder."""
        content = read_json(file)
        unit, tokens, bpe = content.get("unit"), content.get("tokens", []), content.get("pieces")
        distinct = isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
        distinct = distinct and 0 < len(tokens) == len(set(tokens))
        distinct = distinct and not _HALF_CHARACTER.search("".join(tokens))
        fits = {
            "word": distinct and END_OF_LINE in tokens,
            "plain_word": distinct and UNKNOWN in tokens,
            "character": distinct and all(len(token) == 1 or token == UNKNOWN for token in tokens),
            "byte": tokens == [] and bpe is None,
            "piece": tokens == [] and isinstance(bpe, str),
        }
        if not isinstance(unit, str) or not fits.get(unit, False):
            raise UserError(f"{file}: damaged, not a vocabulary")
        if unit == "piece":
            _check_bpe(file, bpe)
        return cls(unit, tuple(tokens), bpe)

    @cached_property
    def _tokenizer(self) -> Any:
        return tokenizers_library().Tokenizer.from_str(self.bpe)

    @cached_property
    def _by_code_point(self) -> np.ndarray:
        """The number of each character by code point, -1 for those out of vocabulary."""
        numbers = np.full(0x110000, -1, np.int32)
        for number, token in enumerate(self.tokens):
            if token != UNKNOWN:
                numbers[ord(token)] = number
        return numbers


def _check_bpe(file: Path, bpe: Any) -> None:
    """Raise UserError for a tokenizer unlike those of `learn_bpe`: of all bytes, numbered without gaps."""
    with reading(file, "damaged, not a BPE tokenizer"):
        content = json.loads(bpe)
        parts = content["pre_tokenizer"].get("pretokenizers", [content["pre_tokenizer"]])
        kinds = [part["type"] for part in (content["model"], *parts, content["decoder"])]
        patterns = [part["pattern"]["Regex"] for part in parts if part["type"] == "Split"]
        others = [content[part] for part in ("normalizer", "post_processor", "truncation", "padding")]
        numbers = content["model"]["vocab"]
        if (kinds, patterns) not in _BPE_PARTS or any(others) or content["added_tokens"]:
            raise ValueError(", ".join(map(str, [*kinds, *patterns])))
        alphabet = tokenizers_library().pre_tokenizers.ByteLevel.alphabet()
        if sorted(numbers.values()) != list(range(len(numbers))) or not numbers.keys() >= set(alphabet):
            raise ValueError("token numbers have gaps, or a byte has none")
        tokenizers_library().Tokenizer.from_str(bpe)


def tokenizers_library() -> Any:
    """Import the optional library `tokenizers`; raise UserError if it is not installed."""
    try:
        import tokenizers
    except ImportError as error:
        needed = "the library tokenizers; pip install -e '.[bpe]'"
        raise UserError(f"dataset.tokenizer = bpe: needs {needed}") from error
    return tokenizers


def _out_of_vocabulary(what: str, token: str) -> UserError:
    return UserError(f"{what} {token[:_MAX_SHOWN]!r} is not in the vocabulary, which has no {UNKNOWN}")


def learn_words(lines: Iterable[str], size: int | None = None, *, unknown: bool = True) -> Vocabulary:
    """Return the words of a text, the most frequent first, ties in alphabetical order.

    With a `size`, only the most frequent are kept. The parts of the text end between words. If `unknown` and
    the text has no unknown token, it replaces words that occur once, so that its embedding is trained.
    """
    counts = Counter(word for line in lines for word in split_words(normalize(line)))
    counts.setdefault(END_OF_LINE, 0)
    if unknown and UNKNOWN not in counts:
        counts = Counter({word: count for word, count in counts.items() if count > 1 or word == END_OF_LINE})
    return Vocabulary("word", _most_frequent(counts, size, unknown))


def learn_plain_words(texts: Iterable[str], size: int | None = None) -> Vocabulary:
    """Return the plain words that occur more than once, and the unknown token; see `learn_words`."""
    counts = Counter(word for text in texts for word in split_plain_words(text))
    counts = Counter({word: count for word, count in counts.items() if count > 1})
    return Vocabulary("plain_word", _most_frequent(counts, size, unknown=True))


def learn_characters(texts: Iterable[str], size: int | None = None) -> Vocabulary:
    """Return the characters of a text by code point; with a `size`, the most frequent and the unknown one."""
    counts = Counter(itertools.chain.from_iterable(map(normalize, texts)))
    tokens = counts if size is None else _most_frequent(counts, size, unknown=True)
    return Vocabulary("character", tuple(sorted(tokens)))


def learn_bpe(texts: Iterable[str], size: int | None) -> Vocabulary:
    """Learn byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909), without unknown token."""
    library = tokenizers_library()
    if size is None or size < 256:
        raise UserError(f"dataset.vocabulary_size = {size}: must be at least 256, the bytes, for bpe")
    tokenizer = library.Tokenizer(library.models.BPE())
    pattern = library.pre_tokenizers.Split(library.Regex(BPE_PATTERN), "isolated")
    byte_level = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = library.pre_tokenizers.Sequence([pattern, byte_level])
    tokenizer.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(map(normalize, texts), trainer)
    return Vocabulary("piece", bpe=tokenizer.to_str())


def synthetic_vocabulary(unit: str, size: int) -> Vocabulary:
    """Return a vocabulary of `size` made-up words or characters, for synthetic text."""
    if unit == "character":
        return Vocabulary(unit, (*(chr(ord("0") + number) for number in range(size - 1)), "\n"))
    return Vocabulary(unit, (END_OF_LINE, UNKNOWN, *(f"w{number}" for number in range(size - 2))))


def _most_frequent(counts: Counter[str], size: int | None, unknown: bool) -> tuple[str, ...]:
    if unknown:
        counts.setdefault(UNKNOWN, 0)
    ordered = sorted(counts, key=lambda token: (-counts[token], token))
    if size is None or size >= len(ordered):
        return tuple(ordered)
    always = [token for token in (UNKNOWN, END_OF_LINE) if token in counts]
    others = [token for token in ordered if token not in always][: max(0, size - len(always))]
    kept = {*always, *others}
    return tuple(token for token in ordered if token in kept)
