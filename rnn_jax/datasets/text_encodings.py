"""Encodings of texts, found by their first bytes where they are not given.

A byte-order mark names the encoding; without one, zero bytes in every other place, or bytes that are a text
in UTF-16 alone, mean UTF-16, and anything else is UTF-8. Encodings of one byte per character, such as
Windows-1252, cannot be distinguished: they are given by `dataset.encoding`.
"""

import codecs
import contextlib
import io
import unicodedata
from collections.abc import Sequence
from typing import BinaryIO, TextIO

from rnn_jax.runtime.errors import UserError

START_BYTES = 4096  # of a file, in which its encoding is found
SET_ENCODING = "set dataset.encoding to the file's encoding, such as windows-1252"
CONVERT = "convert it to UTF-8, for instance with iconv -f windows-1252 -t utf-8"
_MARKS = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ASCII = bytes(range(128))
_NO_TEXT = ("Cc", "Cn", "Co", "Cs")  # categories of characters that no text has, but for white space
_STATEFUL = ("iso2022", "hz", "utf-7")  # ASCII bytes stand for other characters after an escape


def check_encoding(encoding: str) -> None:
    """Raise UserError if there is no such text encoding."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)
    except (LookupError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UserError(f"dataset.encoding = {encoding}: not a text encoding; utf-8 is one") from error


def certain_encoding(start: bytes) -> str | None:
    """Return the encoding that the first bytes of a text prove, by a mark or by zeros; else None."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if b"\0" not in start:
        return None
    pairs = max(1, len(start) // 2)
    first, second = (start[offset::2].count(0) / pairs for offset in (0, 1))
    if max(first, second) > 0.5 and min(first, second) < 0.1:
        return "utf-16-be" if first > second else "utf-16-le"
    # Other scripts than Latin have zeros in spaces and line ends only.
    if _is_text(start.replace(b"\0", b""), "utf-8"):
        return None
    found = [encoding for encoding in ("utf-16-le", "utf-16-be") if _is_text(start, encoding)]
    spaces = {encoding: sum(map(start.decode(encoding, "ignore").count, " \t\n")) for encoding in found}
    best = max(found, key=spaces.__getitem__, default=None)
    return best if best is not None and spaces[best] else None


def _is_text(start: bytes, encoding: str) -> bool:
    """Whether the first bytes of a file are those of a text, whose last character may be cut."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeError:
        return False
    return all(char in "\t\n\r\f" or unicodedata.category(char) not in _NO_TEXT for char in text)


def find_encoding(start: bytes) -> str:
    """Return the encoding of a text with these first bytes."""
    return certain_encoding(start) or "utf-8"


def candidates(start: bytes, given: str | None) -> Sequence[str]:
    """Return the encodings in which a new text of a run with a `given` encoding may be, the first ones first.

    Text in UTF-8 is hardly ever valid in another encoding's meaning, so UTF-8 is tried before `given`.
    Raises UserError if `given` is no text encoding.
    """
    certain = certain_encoding(start)
    if certain is not None:
        return (certain,)
    if given is None or given == "utf-8":
        return ("utf-8",)
    check_encoding(given)
    return ("utf-8", given) if extends_ascii(given) else (given,)


def extends_ascii(encoding: str) -> bool:
    """Whether ASCII bytes always have their own meaning in an encoding."""
    with contextlib.suppress(ValueError, LookupError):
        is_stateful = codecs.lookup(encoding).name.startswith(_STATEFUL)
        return not is_stateful and _ASCII.decode(encoding) == _ASCII.decode("ascii")
    return False


def decode(
    data: bytes, name: object, encodings: Sequence[str], remedy: str = SET_ENCODING
) -> tuple[str, str]:
    """Return a text without its byte-order mark, and the first of the encodings in which it is valid.

    Raises UserError, with a name of the text and a remedy, if it is in none of them.
    """
    for encoding in encodings:
        with contextlib.suppress(UnicodeError, LookupError):
            text = data.decode(encoding).removeprefix("\ufeff")
            text.encode()  # raises for lone surrogates, to which some encodings decode
            return text, encoding
    raise undecodable(data, name, encodings, remedy)


def undecodable(data: bytes, name: object, encodings: Sequence[str], remedy: str = SET_ENCODING) -> UserError:
    """Return the error for a text that is in none of the encodings, with the place by the first of them."""
    problem, certain = "has half of a character (a lone surrogate)", certain_encoding(data[:START_BYTES])
    if certain not in (None, *encodings):
        remedy = f"it is {certain}, which is found where dataset.encoding is None"
    try:
        data.decode(encodings[0])
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encodings[0], "ignore").count("\n") + 1
        place = f"byte {error.start:,}, in line {line:,}," if b"\n" in data else f"byte {error.start:,}"
        problem = f"{place} is 0x{data[error.start]:02x}"
    except (UnicodeError, LookupError) as error:
        problem = str(error)
    return UserError(f"{name}: not {' or '.join(encodings)}: {problem}; {remedy}")


def open_text(binary: BinaryIO, tokenizer: str, encoding: str) -> TextIO:
    """Open a binary file as text: all line ends become line feeds, and a byte-order mark is dropped.

    For the tokenizer 'bytes', the text encodes to the same bytes: those that are not UTF-8 become surrogates.
    """
    if tokenizer == "bytes":
        return io.TextIOWrapper(binary, "utf-8", errors="surrogateescape", newline="")
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    return io.TextIOWrapper(binary, "utf-8-sig" if is_utf8 else encoding, errors="strict", newline=None)
