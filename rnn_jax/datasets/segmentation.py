"""Segmentation of texts: one form of each character (NFC), and words that keep their combining marks.

A combining mark (`\\p{M}` in Unicode: vowel signs of Hindi, Tamil, Thai, Arabic and Hebrew, accents) and a
joiner (U+200C, U+200D) belong to the character before them (Unicode Standard Annex 29, rule WB4). The same
text in NFC and NFD has the same tokens: every tokenizer but 'bytes' reads it in NFC (Annex 15).
"""

import functools
import re
import unicodedata

END_OF_LINE = "<eos>"
_HTML_LINE_BREAK = re.compile(r"<br\s*/?>")  # in the reviews of IMDB
_MARKS_BELOW = 0x20000  # all combining marks, but for the variation selectors of plane 14
_VARIATION_SELECTORS = "\U000e0100-\U000e01ef"
_JOINERS = "\u200c\u200d"
_HANGUL_VOWELS_AND_FINALS = ("\u1160", "\u11ff")
# GPT-2's parts of a text, within which byte pairs are merged (Radford et al. 2019), with marks inside words.
BPE_PATTERN = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}[\p{L}\p{M}\x{200c}\x{200d}]*| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)


def normalize(text: str) -> str:
    """Return a text in NFC, in which an accented letter is one character where Unicode has one."""
    return unicodedata.normalize("NFC", text)


def split_words(text: str) -> list[str]:
    """Return the words of a text; the end of a line is a word of its own."""
    return text.replace("\n", f" {END_OF_LINE} ").split()


def split_plain_words(text: str) -> list[str]:
    """Return the words of a text in lower case and its punctuation marks, without HTML line breaks."""
    lower = normalize(normalize(text).lower())  # some letters are composed in lower case only
    return _plain_word().findall(_HTML_LINE_BREAK.sub(" ", lower))


@functools.cache
def _plain_word() -> re.Pattern[str]:
    """The pattern of a plain word, or of a character of none, each with its marks."""
    ranges, start = [], None
    for point in range(_MARKS_BELOW + 1):
        if unicodedata.category(chr(point)).startswith("M"):
            start = point if start is None else start
        elif start is not None:
            ranges.append(f"{chr(start)}-{chr(point - 1)}")
            start = None
    # No mark is below U+0300: most characters are not looked up among the ranges.
    mark = f"(?:(?![\0-\u02ff])[{''.join(ranges)}{_VARIATION_SELECTORS}{_JOINERS}])"
    word = rf"[^\W_]+(?:{mark}+[^\W_]*)*"
    return re.compile(rf"{word}(?:['’]{mark}*{word})*|(?:[^\w\s]|_){mark}*")


def split_off_last_character(text: str) -> tuple[str, str]:
    """Split a text before its last character with its marks, which what follows may change in NFC."""
    for place in range(len(text) - 1, -1, -1):
        first, last = _HANGUL_VOWELS_AND_FINALS
        is_mark = unicodedata.category(text[place]).startswith("M") or first <= text[place] <= last
        if not is_mark:
            return text[:place], text[place:]
    return "", text
