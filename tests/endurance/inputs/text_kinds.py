"""Small valid files of texts: plain text, tables of labelled texts, archives of reviews."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import byte_changes
import numpy as np
from image_kinds import gzipped_within
from kind import Changes, Kind, build, change_first, check_inputs

from rnn_jax import generate
from rnn_jax.datasets.user_files import inputs, labelled_texts, text_inputs
from rnn_jax.datasets.user_files.tables import Columns, Format
from rnn_jax.datasets.vocabulary import (
    Vocabulary,
    learn_bpe,
    learn_characters,
    learn_plain_words,
    learn_words,
)

TEXT = "".join(f"the {animal} sat on line {line}\n" for line in range(30) for animal in ("cat", "café"))
MARKS = "".join(
    f"यह फिल्म अच्छी है {line}\nภาพยนตร์ที่ดี cafe\u0301 שָׁלוֹם {line} e\u0301\u0323\n" for line in range(30)
)


TEXTS: dict[str, tuple[bytes, str, str | None]] = {  # contents, tokenizer and encoding as given
    "words": (TEXT.encode(), "words", "utf-8"),
    "characters": (TEXT.encode(), "characters", "utf-8"),
    "bytes": (TEXT.encode(), "bytes", "utf-8"),
    "UTF-16": (TEXT.encode("utf-16"), "words", "utf-16"),
    "marks, words": (MARKS.encode(), "words", None),
    "marks, characters": (MARKS.encode(), "characters", None),
    "marks, bpe": (MARKS.encode(), "bpe", None),
    "UTF-16, found": (MARKS.encode("utf-16"), "words", None),
    "UTF-16, little-endian, found": (TEXT.encode("utf-16-le"), "words", None),
    "UTF-16, big-endian, found": (TEXT.encode("utf-16-be"), "words", None),
    "UTF-32, found": (TEXT.encode("utf-32"), "characters", None),
    "Windows-1252": (TEXT.encode("windows-1252"), "words", "windows-1252"),
    "old Mac": (MARKS.replace("\n", "\r").encode(), "words", None),
}


def _read_text(tokenizer: str, encoding: str | None = "utf-8") -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        return build(
            "text",
            folder,
            file=str(folder / "a.txt"),
            tokenizer=tokenizer,
            encoding=encoding,
            vocabulary_size=300 if tokenizer == "bpe" else None,
        )

    return read


def table_of(separator: str) -> bytes:
    """Return a table of forty texts of three classes."""
    rows = [f"{n % 3}{separator}text {n} of class {n % 3}" for n in range(40)]
    return "\n".join([f"label{separator}text", *rows]).encode() + b"\n"


def read_table(ending: str, tokenizer: str) -> Callable[[Path], Any]:
    """Return a function that reads such a table."""

    def read(folder: Path) -> Any:
        keys = {"label_column": "label", "text_column": "text", "has_header": True, "encoding": "utf-8"}
        return build(
            "labelled_text",
            folder,
            file=str(folder / f"a{ending}"),
            tokenizer=tokenizer,
            truncate="keep_last",
            **keys,
        )

    return read


def _score_text(tokenizer: str, encoding: str | None) -> Callable[[Path], Any]:
    """Return a function that reads a text as `generate --score` does."""
    learned = {"words": learn_words, "characters": lambda texts: learn_characters(texts, 50)}
    learned |= {"bytes": lambda texts: Vocabulary("byte"), "bpe": lambda texts: learn_bpe(texts, 300)}
    vocabulary = learned[tokenizer]([TEXT, MARKS])
    config: Any = SimpleNamespace(dataset=SimpleNamespace(tokenizer=tokenizer, encoding=encoding))

    def score(folder: Path) -> Any:
        name = str(folder / "a.txt")
        tokens = generate._encode(vocabulary, generate._read_text(name, config), name)
        assert not len(tokens) or 0 <= tokens.min() <= tokens.max() < len(vocabulary), "out of range"

    return score


NAMED = Columns("label", "text")


def predict_texts(name: str, tokenizer: str, columns: Columns = NAMED) -> Callable[[Path], Any]:
    """Return a function that reads new texts of a model of a table of classes 0 to 2."""
    vocabulary = Vocabulary("byte") if tokenizer == "bytes" else learn_plain_words([TEXT, TEXT])

    def fits(tokens: np.ndarray) -> bool:
        return tokens.ndim == 1 and len(tokens) > 0 and 0 <= tokens.min() <= tokens.max() < len(vocabulary)

    def predict(folder: Path) -> Any:
        inputs.check_texts([str(folder / name)])
        blocks = text_inputs.read_input_texts([str(folder / name)], vocabulary, columns, ("0", "1", "2"))
        return check_inputs(folder, blocks, fits)

    return predict


def _read_rows(ending: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        columns = Columns("1", "2", Format("utf-8", has_header=False))
        table = labelled_texts.read_labelled_texts(folder / f"a{ending}", columns)
        assert len(table.texts) == len(table.labels) > 0, "counts differ"
        assert all(table.texts), "an empty text"
        assert all(table.labels), "an empty label"
        return table

    return read


TABLE_WRONG: Changes = {
    "no column of labels": lambda files, number: change_first(
        files, lambda data: data.replace(b"label", b"other", 1)
    ),
    "a column name twice": lambda files, number: change_first(
        files, lambda data: data.replace(b"text", b"label", 1)
    ),
    "one column too many": lambda files, number: change_first(
        files, lambda data: _in_line(data, 1 + number % 40, b"\tx" if b"\t" in data else b",x")
    ),
    "not UTF-8": lambda files, number: change_first(files, byte_changes.insert(number, b"\xff")),
    "empty": lambda files, number: change_first(files, lambda data: b""),
    "only the header": lambda files, number: change_first(files, lambda data: data.split(b"\n")[0]),
}


def _in_line(data: bytes, number: int, added: bytes) -> bytes:
    lines = data.split(b"\n")
    lines[number] += added
    return b"\n".join(lines)


def _tar(packing: str) -> bytes:
    file = io.BytesIO()
    mode: Any = f"w:{packing}"
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for number in range(4):
            content = f"A film. {number}".encode()
            member = tarfile.TarInfo(f"aclImdb/train/{'pos' if number % 2 else 'neg'}/{number}_7.txt")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _read_imdb(folder: Path) -> Any:
    return build("imdb", folder, manual_dir=str(folder), tokenizer="words", truncate="keep_last")


def kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    found = {
        "IMDB, tar": Kind({"a.tar": _tar("")}, _read_imdb, is_valid=False),
        "IMDB, tar.gz": Kind({"a.tar.gz": _tar("gz")}, _read_imdb, within=gzipped_within, is_valid=False),
    }
    for name, (contents, tokens, encoding) in TEXTS.items():
        found[f"text, {name}"] = Kind(
            {"a.txt": contents},
            _read_text(tokens, encoding),
            byte_changes.OF_TABLES,
            predict=_score_text(tokens, encoding),
        )
    for ending, separator in ((".tsv", "\t"), (".csv", ",")):
        table = {f"a{ending}": table_of(separator)}
        found[f"rows of {ending}"] = Kind(table, _read_rows(ending), byte_changes.OF_TEXTS)
        for tokens in ("words", "bytes"):
            read = read_table(ending, tokens)
            predict = predict_texts(f"a{ending}", tokens)
            found[f"table {ending}, {tokens}"] = Kind(
                table, read, byte_changes.OF_TABLES, wrong=TABLE_WRONG, predict=predict
            )
    return found
