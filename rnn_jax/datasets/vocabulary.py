"""Vocabularies: from text to token numbers, and back.

A token is a word, a character, a byte or a piece of a word, its `unit`. Words stand between spaces, and the
end of a line is a word of its own, `<eos>`, as in Mikolov's form of the Penn Treebank; a plain word is in
lower case, marks of punctuation are words of their own, and lines are nothing. Where there is an unknown
word, `<unk>`, it stands for everything that is not in the vocabulary, which is kept as plain JSON:

    {"unit": "character", "version": "1.0.0", "tokens": ["\\n", " ", "!", ...]}
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.datasets import untrusted
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import write_json

UNITS = ("word", "plain_word", "character", "byte", "piece")
END_OF_LINE = "<eos>"
UNKNOWN = "<unk>"
_PLAIN_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")
_LINE_BREAK = re.compile(r"<br\s*/?>")  # of web pages: the reviews of IMDB have them
SHOWN = 40  # characters of a text that is named in an error


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a text, by their numbers."""

    unit: str
    """One of `UNITS`."""
    tokens: tuple[str, ...] = ()
    """Words or characters by their numbers; none where the unit is a byte or a piece."""
    pieces: str | None = None
    """The `tokenizers` library's own JSON of what it learned, where the unit is a piece."""

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
        """The number that stands for what is not in the vocabulary; None: there is none."""
        return self.numbers.get(UNKNOWN)

    @property
    def start(self) -> int:
        """The token that a text begins after: the end of a line, where there is one, or the first of all."""
        if self.unit == "word":
            return self.numbers[END_OF_LINE]
        if self.unit == "character":
            return self.numbers.get("\n", 0)
        return int(self.encode("\n")[0])

    @property
    def dtype(self) -> type[np.generic]:
        """The smallest type that holds every number."""
        return np.uint16 if len(self) <= 1 << 16 else np.int32

    def encode(self, text: str) -> np.ndarray:
        """The token numbers [tokens] of a text.

        Raises:
            UserError: a word or character is not in the vocabulary, and none is the unknown one.
        """
        return _ENCODERS[self.unit](self, text)

    def decoder(self) -> Callable[[int], str]:
        """A function that takes the token numbers of a text one by one, and gives its characters.

        What a number gives may be empty: a character of several bytes is given with its last one.
        """
        return _DECODERS[self.unit](self)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of some tokens."""
        decode = self.decoder()
        return "".join(decode(int(number)) for number in numbers)

    def save(self, file: Path, version: str) -> None:
        """Writes it as JSON, whole or not at all, with the version of the text that it is of."""
        kept: dict[str, Any] = {"unit": self.unit, "version": version}
        if self.tokens:
            kept["tokens"] = list(self.tokens)
        if self.pieces is not None:
            kept["pieces"] = self.pieces
        write_json(file, kept)

    @cached_property
    def _tokenizer(self) -> Any:
        return _tokenizers().Tokenizer.from_str(self.pieces)

    @cached_property
    def _by_code_point(self) -> np.ndarray:
        """The number of each character by its code point, -1 for those that are not in the vocabulary."""
        found = np.full(0x110000, -1, np.int32)
        for number, token in enumerate(self.tokens):
            if token != UNKNOWN:
                found[ord(token)] = number
        return found


def load(file: Path) -> Vocabulary:
    """Reads a vocabulary that was saved.

    Raises:
        UserError: the file cannot be read, holds something else, or is a link to elsewhere.
    """
    kept = untrusted.read_json(file)
    unit, tokens, learned = kept.get("unit"), kept.get("tokens", []), kept.get("pieces")
    named = _are_texts(tokens)
    fits = {
        "word": named and END_OF_LINE in tokens,
        "plain_word": named and UNKNOWN in tokens,
        "character": named and all(len(token) == 1 or token == UNKNOWN for token in tokens),
        "byte": tokens == [] and learned is None,
        "piece": tokens == [] and isinstance(learned, str),
    }
    if not isinstance(unit, str) or not fits.get(unit, False):
        raise UserError(f"{file}: damaged, no vocabulary")
    if unit == "piece":
        _check_pieces(file, str(learned))
    return Vocabulary(unit, tuple(tokens), learned)


def _are_texts(tokens: Any) -> bool:
    """Whether tokens are different texts."""
    if not (isinstance(tokens, list) and tokens and all(isinstance(token, str) for token in tokens)):
        return False
    return len(set(tokens)) == len(tokens) and _is_text("".join(tokens))


def _is_text(text: str) -> bool:
    """Whether a text is one: half of a character is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_pieces(file: Path, learned: str) -> None:
    """Raises UserError for pieces that are not as `pieces` learns them: numbered from 0 on, of all bytes."""
    with untrusted.reading(file, "damaged, no pieces"):
        said = json.loads(learned)
        kinds = [said[part]["type"] for part in ("model", "pre_tokenizer", "decoder")]
        others = [said[part] for part in ("normalizer", "post_processor", "truncation", "padding")]
        numbers = said["model"]["vocab"]
        if kinds != ["BPE", "ByteLevel", "ByteLevel"] or any(others) or said["added_tokens"]:
            raise UserError(f"{file}: damaged, no pieces: {', '.join(map(str, kinds))}")
        alphabet = _tokenizers().pre_tokenizers.ByteLevel.alphabet()
        if sorted(numbers.values()) != list(range(len(numbers))) or not numbers.keys() >= set(alphabet):
            raise UserError(f"{file}: damaged, no pieces: their numbers have gaps, or a byte has none")
        _tokenizers().Tokenizer.from_str(learned)


def words(lines: Iterable[str], most: int | None = None, *, unknown: bool = True) -> Vocabulary:
    """The words of a text, the most frequent first, and those of one frequency in alphabetical order.

    Args:
        lines: the text, a line at a time or several.
        most: keep the most frequent words only, so that there are so many tokens; None: all.
        unknown: whether the unknown word is added, where the text does not have it itself. It then stands
            for words that the text has once, or nothing could be learned about it.
    """
    counts = Counter(word for line in lines for word in split_words(line))
    counts.setdefault(END_OF_LINE, 0)
    if unknown and UNKNOWN not in counts:
        counts = Counter({word: count for word, count in counts.items() if count > 1 or word == END_OF_LINE})
    return Vocabulary("word", _most_frequent(counts, most, unknown))


def plain_words(texts: Iterable[str], most: int | None = None) -> Vocabulary:
    """The plain words of some texts and the unknown one, the most frequent first; see `words`."""
    counts = Counter(word for text in texts for word in split_plain_words(text))
    counts = Counter({word: count for word, count in counts.items() if count > 1})
    return Vocabulary("plain_word", _most_frequent(counts, most, unknown=True))


def characters(texts: Iterable[str], most: int | None = None) -> Vocabulary:
    """The characters of a text in the order of their code points.

    With `most`, the unknown one, and only the most frequent others where there would be more tokens.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    if most is None:
        return Vocabulary("character", tuple(sorted(counts)))
    return Vocabulary("character", tuple(sorted(_most_frequent(counts, most, unknown=True))))


def pieces(texts: Iterator[str], most: int) -> Vocabulary:
    """Pieces of words, learned from a text by byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909).

    They are pieces of UTF-8 bytes, so that nothing is unknown.

    Raises:
        UserError: the `tokenizers` library is not installed, or `most` is less than the 256 bytes.
    """
    library = _tokenizers()
    if most < 256:
        raise UserError(f"dataset.vocabulary_size = {most}: of pieces there are at least the 256 bytes")
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(vocab_size=most, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return Vocabulary("piece", pieces=tokenizer.to_str())


def split_words(text: str) -> list[str]:
    """The words of a text; the end of a line is a word of its own."""
    return text.replace("\n", f" {END_OF_LINE} ").split()


def split_plain_words(text: str) -> list[str]:
    """The words of a text in lower case, and its marks; line breaks of web pages are nothing."""
    return _PLAIN_WORD.findall(_LINE_BREAK.sub(" ", text.lower()))


def _most_frequent(counts: Counter[str], most: int | None, unknown: bool) -> tuple[str, ...]:
    if unknown:
        counts.setdefault(UNKNOWN, 0)
    ordered = sorted(counts, key=lambda token: (-counts[token], token))
    if most is None or most >= len(ordered):
        return tuple(ordered)
    always = [token for token in (UNKNOWN, END_OF_LINE) if token in counts]
    others = [token for token in ordered if token not in always][: max(0, most - len(always))]
    kept = {*always, *others}
    return tuple(token for token in ordered if token in kept)


def _encode_words(vocabulary: Vocabulary, text: str) -> np.ndarray:
    numbers, unknown = vocabulary.numbers, vocabulary.unknown
    found = [numbers.get(word, unknown) for word in split_words(text)]
    if None in found:
        raise _not_in_vocabulary(split_words(text)[found.index(None)], "word")
    return np.array(found, np.int32)


def _encode_plain_words(vocabulary: Vocabulary, text: str) -> np.ndarray:
    numbers, unknown = vocabulary.numbers, vocabulary.numbers[UNKNOWN]
    return np.array([numbers.get(word, unknown) for word in split_plain_words(text)], np.int32)


def _encode_characters(vocabulary: Vocabulary, text: str) -> np.ndarray:
    code_points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    found = vocabulary._by_code_point[code_points]
    if vocabulary.unknown is not None:
        return np.where(found < 0, vocabulary.unknown, found)
    if (found < 0).any():
        place = int(np.argmin(found))
        line = text.count("\n", 0, place) + 1
        raise _not_in_vocabulary(text[place], f"line {line}: the character")
    return found


def _encode_bytes(vocabulary: Vocabulary, text: str) -> np.ndarray:
    del vocabulary
    return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int32)


def _encode_pieces(vocabulary: Vocabulary, text: str) -> np.ndarray:
    if not _is_text(text):
        raise UserError(f"{text[:SHOWN]!r}: has half of a character")
    return np.array(vocabulary._tokenizer.encode(text).ids, np.int32)


def _decode_words(vocabulary: Vocabulary) -> Callable[[int], str]:
    line_begins = True

    def decode(number: int) -> str:
        nonlocal line_begins
        word = vocabulary.tokens[number]
        before, line_begins = "" if line_begins else " ", word == END_OF_LINE
        return "\n" if line_begins else before + word

    return decode


def _decode_plain_words(vocabulary: Vocabulary) -> Callable[[int], str]:
    return lambda number: f"{vocabulary.tokens[number]} "


def _decode_characters(vocabulary: Vocabulary) -> Callable[[int], str]:
    return lambda number: (
        "\N{REPLACEMENT CHARACTER}" if number == vocabulary.unknown else vocabulary.tokens[number]
    )


def _decode_bytes(vocabulary: Vocabulary) -> Callable[[int], str]:
    del vocabulary
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return lambda number: decoder.decode(bytes([number]))


def _decode_pieces(vocabulary: Vocabulary) -> Callable[[int], str]:
    stream = _tokenizers().decoders.DecodeStream()
    return lambda number: stream.step(vocabulary._tokenizer, number) or ""


_ENCODERS: dict[str, Callable[[Vocabulary, str], np.ndarray]] = {
    "word": _encode_words,
    "plain_word": _encode_plain_words,
    "character": _encode_characters,
    "byte": _encode_bytes,
    "piece": _encode_pieces,
}
_DECODERS: dict[str, Callable[[Vocabulary], Callable[[int], str]]] = {
    "word": _decode_words,
    "plain_word": _decode_plain_words,
    "character": _decode_characters,
    "byte": _decode_bytes,
    "piece": _decode_pieces,
}


def _not_in_vocabulary(token: str, what: str) -> UserError:
    return UserError(f"{what} {token[:SHOWN]!r} is not in the vocabulary, which has no {UNKNOWN}")


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise UserError(
            "dataset.tokenizer = bpe: needs the library tokenizers, pip install -e '.[bpe]'"
        ) from error
    return tokenizers


def made_up(unit: str, size: int) -> Vocabulary:
    """A vocabulary of so many tokens for text that is drawn at random."""
    if unit == "character":
        return Vocabulary(unit, (*(chr(ord("0") + number) for number in range(size - 1)), "\n"))
    return Vocabulary(unit, (END_OF_LINE, UNKNOWN, *(f"w{number}" for number in range(size - 2))))


def tokens_of(vocabulary: Vocabulary, texts: Iterable[str]) -> np.ndarray:
    """The token numbers of a text that comes in parts, in the smallest type that holds them."""
    parts: Sequence[np.ndarray] = [vocabulary.encode(text).astype(vocabulary.dtype) for text in texts]
    return np.concatenate(parts) if parts else np.zeros(0, vocabulary.dtype)
