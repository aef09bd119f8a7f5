"""Text files in any encoding: decoded strictly, with errors that name the line."""

import io
from pathlib import Path
from typing import BinaryIO, TextIO

from rnn_jax.datasets.safe_reading import reading
from rnn_jax.runtime.errors import UserError


def check_encoding(encoding: str) -> None:
    """Raise UserError if there is no such text encoding."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)
    except (LookupError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UserError(f"dataset.encoding = {encoding}: not a text encoding; utf-8 is one") from error


def open_text(binary: BinaryIO, tokenizer: str, encoding: str) -> TextIO:
    """Open a binary file as text: all line ends become line feeds, and a byte-order mark is dropped.

    For the tokenizer 'bytes', the text encodes to the same bytes: those that are not UTF-8 become surrogates.
    """
    if tokenizer == "bytes":
        return io.TextIOWrapper(binary, "utf-8", errors="surrogateescape", newline="")
    return io.TextIOWrapper(binary, _without_mark(encoding), errors="strict", newline=None)


def decode_file(path: Path, encoding: str) -> str:
    """Return the text of a file; raise UserError if it cannot be read or is not in the encoding."""
    with reading(path):
        data = path.read_bytes()
    try:
        return require_text(data.decode(_without_mark(encoding)))
    except UnicodeError as error:
        raise UserError(f"{path}: {decoding_problem(data, encoding, error)}") from error


def require_text(text: str) -> str:
    """Return the text; raise UnicodeError for lone surrogates, to which some encodings decode."""
    text.encode()
    return text


def decoding_problem(data: bytes, encoding: str, error: UnicodeError) -> str:
    """Describe why data is not in an encoding, and where; `error` may be about a part of it."""
    problem = str(error)
    try:
        data.decode(encoding)
    except UnicodeDecodeError as whole:
        line = data.count(b"\n", 0, whole.start) + 1
        problem = f"byte {whole.start:,}, in line {line:,}, is 0x{data[whole.start]:02x}"
    except UnicodeError:
        pass
    return f"not {encoding}: {problem}; set dataset.encoding to the file's encoding"


def _without_mark(encoding: str) -> str:
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
