"""Vocabularies learned from text: words, characters and byte-pair encoding."""

import itertools
from collections import Counter
from collections.abc import Iterable

from rnn_jax.datasets.vocabulary import (
    END_OF_LINE,
    UNKNOWN,
    Vocabulary,
    split_plain_words,
    split_words,
    tokenizers_library,
)
from rnn_jax.runtime.errors import UserError


def learn_words(lines: Iterable[str], size: int | None = None, *, unknown: bool = True) -> Vocabulary:
    """Return the words of a text, the most frequent first, ties in alphabetical order.

    With a `size`, only the most frequent are kept. The parts of the text end between words. If `unknown` and
    the text has no unknown token, it replaces words that occur once, so that its embedding is trained.
    """
    counts = Counter(word for line in lines for word in split_words(line))
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
    """Return the characters of a text in the order of their code points.

    With a `size`, there is an unknown token, and only the most frequent characters are kept.
    """
    counts = Counter(itertools.chain.from_iterable(texts))
    tokens = counts if size is None else _most_frequent(counts, size, unknown=True)
    return Vocabulary("character", tuple(sorted(tokens)))


def learn_bpe(texts: Iterable[str], size: int | None) -> Vocabulary:
    """Learn byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909), without an unknown token.

    Raises:
        UserError: the library `tokenizers` is not installed, or `size` is less than the 256 bytes.
    """
    library = tokenizers_library()
    if size is None or size < 256:
        raise UserError(f"dataset.vocabulary_size = {size}: must be at least 256, the bytes, for bpe")
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(iter(texts), trainer)
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
