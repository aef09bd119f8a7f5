"""From text to token numbers, and back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_jax.datasets.vocabulary import (
    Vocabulary,
    learn_bpe,
    learn_characters,
    learn_words,
    synthetic_vocabulary,
)
from rnn_jax.runtime.errors import UserError

TEXT = "the cat sat on the mat\nthe dog sat\n"
SCRIPTS = "Ἑλλάς — 日本語\nпривет, мир! 🙂\n"


def test_words_are_ordered_by_frequency_and_then_by_name() -> None:
    known = learn_words([TEXT], unknown=False)
    assert known.tokens == ("the", "<eos>", "sat", "cat", "dog", "mat", "on")
    assert known.encode("the dog\n").tolist() == [0, 4, 1]
    assert known.decode(known.encode(TEXT)) == TEXT
    assert known.start == 1
    assert known.unknown is None


def test_a_cut_keeps_the_most_frequent_and_the_unknown_one() -> None:
    known = learn_words([TEXT], 4)
    assert len(known) == 4
    assert set(known.tokens) == {"<unk>", "<eos>", "the", "sat"}
    assert known.decode(known.encode("the cow sat\n")) == "the <unk> sat\n"
    characters = learn_characters(["aaabbc\n"], 3)
    assert len(characters) == 3
    assert characters.decode(characters.encode("abc")) == "ab\N{REPLACEMENT CHARACTER}"


def test_a_token_out_of_vocabulary_is_an_error() -> None:
    with pytest.raises(UserError, match="word 'cow' is not in the vocabulary, which has no <unk>"):
        learn_words([TEXT], unknown=False).encode("the cow")
    with pytest.raises(UserError, match="line 2: the character 'Z' is not in the vocabulary"):
        learn_characters([TEXT]).encode("the\nZ")


def test_characters_of_any_script_are_ordered_by_their_code_points() -> None:
    known = learn_characters([SCRIPTS])
    assert known.tokens == tuple(sorted(set(SCRIPTS)))
    assert known.decode(known.encode(SCRIPTS)) == SCRIPTS
    assert known.tokens[known.start] == "\n"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_bytes_are_utf_8(text: str) -> None:
    known = Vocabulary("byte")
    assert known.encode(text).tolist() == list(text.encode())
    assert known.decode(known.encode(text)) == text
    assert len(known) == 256


def test_a_character_of_several_bytes_is_given_with_its_last_one() -> None:
    decode = Vocabulary("byte").decoder()
    assert [decode(number) for number in "aé日".encode()] == ["a", "", "é", "", "", "日"]


def test_pieces_are_learned_and_know_everything() -> None:
    known = learn_bpe(iter([TEXT * 20]), 262)
    assert len(known) == 262
    assert known.decode(known.encode(TEXT + SCRIPTS)) == TEXT + SCRIPTS
    assert len(known.encode(TEXT)) < len(TEXT)
    with pytest.raises(UserError, match="vocabulary_size = 255: must be at least 256, the bytes"):
        learn_bpe(iter([TEXT]), 255)


@pytest.mark.parametrize(
    "known",
    [
        learn_words([TEXT], 5),
        learn_characters([SCRIPTS]),
        Vocabulary("byte"),
        learn_bpe(iter([TEXT]), 260),
    ],
    ids=lambda known: known.unit,
)
def test_a_vocabulary_is_plain_json(known: Vocabulary, tmp_path: Path) -> None:
    known.save(tmp_path / "vocabulary.json", "1.0.0")
    again = Vocabulary.load(tmp_path / "vocabulary.json")
    assert again == known
    assert len(again) == len(known)
    np.testing.assert_array_equal(again.encode("\n"), known.encode("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"unit": "word", "tokens": [1]}',
        '{"unit": "word", "tokens": ["no", "end"]}',
        '{"unit": "word", "tokens": null}',
        '{"unit": "character", "tokens": ["ab", "c"]}',
        '{"unit": "piece"}',
        '{"unit": "letter"}',
        '{"unit": ["word"]}',
        "[1]",
        "{",
    ],
)
def test_another_file_is_no_vocabulary(text: str, tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text(text)
    with pytest.raises(UserError, match=r"vocabulary.json: damaged"):
        Vocabulary.load(tmp_path / "vocabulary.json")


def test_numbers_are_as_small_as_they_can_be() -> None:
    assert learn_characters([TEXT]).dtype == np.uint16
    large = Vocabulary("word", tuple(f"w{number}" for number in range((1 << 16) + 1)))
    assert large.dtype == np.int32


@pytest.mark.parametrize("unit", ["word", "character"])
def test_made_up_vocabularies_have_their_size(unit: str) -> None:
    known = synthetic_vocabulary(unit, 65)
    assert len(known) == len(set(known.tokens)) == 65
    assert known.decode([known.start]) == "\n"
