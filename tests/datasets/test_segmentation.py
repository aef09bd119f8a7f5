"""Words of texts in many writing systems, and the same tokens in NFC and NFD."""

import itertools
import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_jax.datasets.segmentation import normalize, split_off_last_character, split_plain_words
from rnn_jax.datasets.vocabulary import (
    Vocabulary,
    learn_bpe,
    learn_characters,
    learn_plain_words,
    learn_words,
)

SENTENCES = {
    "Hindi": "यह फिल्म अच्छा है",
    "Tamil": "இந்தப் படம் மிகவும் நன்றாக இருக்கிறது",
    "Thai": "หนังเรื่องนี้ ดีมาก น่าดู",
    "Arabic with vowel signs": "هٰذَا فِيلْمٌ جَيِّدٌ",
    "Hebrew with vowel signs": "זֶה סֶרֶט טוֹב",
    "Persian with joiners": "این فیلم را می‌خواهم",
    "Vietnamese": "phim này rất hay và cảm động",
    "Korean": "이 영화는 정말 좋다",
    "French": "un très bel été à l'hôtel",
}
NFD = {name: unicodedata.normalize("NFD", text) for name, text in SENTENCES.items()}
# Letters and marks of several scripts, conjoining Hangul, and what may stand between them.
CHARACTERS = (
    "aÉıΣς'’_1.! \n\u0301\u0323\u0308\u093c\u094d\u0915\u1100\u1161\u11a8\u200d\ufe0f❤\U000e0100\U0001f3fd"
)
TEXTS = st.text(st.sampled_from(CHARACTERS), max_size=12)


def is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M") or character in "\u200c\u200d"


def words_of_characters(text: str) -> list[str]:
    """Segment a text without its marks, as words always were, and put the marks back."""
    characters: list[str] = []
    for character in text:
        if is_mark(character) and characters and not characters[-1].isspace():
            characters[-1] += character
        else:
            characters.append(character)
    words = re.finditer(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_", "".join(each[0] for each in characters))
    return ["".join(characters[slice(*word.span())]) for word in words]


def test_words_are_in_lower_case_and_marks_apart() -> None:
    assert split_plain_words("It's NOT bad,<br /><br />really: 10/10 _x_!") == [
        *("it's", "not", "bad", ",", "really", ":", "10", "/", "10", "_", "x", "_", "!")
    ]


@pytest.mark.parametrize("language", SENTENCES)
def test_words_keep_their_combining_marks(language: str) -> None:
    expected = unicodedata.normalize("NFC", SENTENCES[language].lower()).split()
    assert split_plain_words(SENTENCES[language]) == expected
    assert split_plain_words(NFD[language]) == expected


def test_every_combining_mark_is_inside_words() -> None:
    """Against all of Unicode, of which the module looks at a part."""
    marks = [chr(point) for point in range(0x110000) if unicodedata.category(chr(point)).startswith("M")]
    assert len(marks) > 2_000
    for mark in marks:
        text = unicodedata.normalize("NFC", f"a{mark}b")
        assert split_plain_words(text) == [text]
        assert split_plain_words(f"!{mark}") == [unicodedata.normalize("NFC", f"!{mark}")]


@given(TEXTS)
def test_words_are_those_of_the_definition(text: str) -> None:
    lower = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    assert split_plain_words(text) == words_of_characters(lower)


LEARN: dict[str, Callable[[list[str]], Vocabulary]] = {
    "words": learn_words,
    "plain words": learn_plain_words,
    "characters": learn_characters,
    "bpe": lambda texts: learn_bpe(texts, 300),
}


@pytest.mark.parametrize("tokenizer", LEARN)
def test_tokens_are_the_same_in_both_forms(tokenizer: str) -> None:
    composed, decomposed = (
        [unicodedata.normalize(form, text) for text in SENTENCES.values()] * 2 for form in ("NFC", "NFD")
    )
    assert composed != decomposed
    vocabularies = [LEARN[tokenizer](texts) for texts in (composed, decomposed)]
    assert vocabularies[0] == vocabularies[1]
    for one, other in zip(composed, decomposed, strict=True):
        found = [vocabularies[0].encode(text).tolist() for text in (one, other)]
        assert found[0] == found[1]
        if tokenizer in ("characters", "bpe"):
            assert vocabularies[0].decode(found[0]) == one


@given(TEXTS)
def test_byte_pairs_are_merged_across_marks_and_not_across_words(text: str) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(str(learn_bpe(["x"], 256).bpe)).pre_tokenizer
    assert tokenizer is not None
    parts = [text[start:end] for _, (start, end) in tokenizer.pre_tokenize_str(text)]
    assert "".join(parts) == text
    for before, after in itertools.pairwise(parts):
        assert not (is_mark(after[0]) and before.strip()[-1:].isalpha())


def test_bytes_are_as_they_are() -> None:
    assert bytes(Vocabulary("byte").encode(NFD["French"]).tolist()).decode() == NFD["French"]


@given(st.text(st.sampled_from(CHARACTERS.replace("ı", "\u1162\u0300")), max_size=9), TEXTS)
def test_a_text_is_normalized_in_parts(first: str, second: str) -> None:
    complete, last = split_off_last_character(first)
    assert complete + last == first
    assert normalize(complete) + normalize(last + second) == unicodedata.normalize("NFC", first + second)
