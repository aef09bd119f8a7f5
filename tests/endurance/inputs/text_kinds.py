"""Small valid files of texts: plain text, tables of labelled texts, archives of reviews."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import byte_changes
from image_kinds import gzipped_within
from kind import Kind, Wrong, build, change_first

from rnn_jax.datasets.user_files import labelled_texts
from rnn_jax.datasets.user_files.tables import Columns, Format

TEXT = "".join(f"the {animal} sat on line {line}\n" for line in range(30) for animal in ("cat", "café"))


def _read_text(tokenizer: str, encoding: str = "utf-8") -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        return build("text", folder, file=str(folder / "a.txt"), tokenizer=tokenizer, encoding=encoding)

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


def _read_rows(ending: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        columns = Columns("1", "2", Format("utf-8", has_header=False))
        table = labelled_texts.read_labelled_texts(folder / f"a{ending}", columns)
        assert len(table.texts) == len(table.labels) > 0, "counts differ"
        assert all(table.texts), "an empty text"
        assert all(table.labels), "an empty label"
        return table

    return read


TABLE_WRONG: Wrong = {
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
        "IMDB, tar": Kind({"a.tar": _tar("")}, _read_imdb),
        "IMDB, tar.gz": Kind({"a.tar.gz": _tar("gz")}, _read_imdb, within=gzipped_within),
    }
    for tokens in ("words", "characters", "bytes"):
        found[f"text, {tokens}"] = Kind({"a.txt": TEXT.encode()}, _read_text(tokens), byte_changes.OF_TEXTS)
    found["text, UTF-16"] = Kind(
        {"a.txt": TEXT.encode("utf-16")}, _read_text("words", "utf-16"), byte_changes.OF_TEXTS
    )
    for ending, separator in ((".tsv", "\t"), (".csv", ",")):
        table = {f"a{ending}": table_of(separator)}
        found[f"rows of {ending}"] = Kind(table, _read_rows(ending), byte_changes.OF_TEXTS)
        for tokens in ("words", "bytes"):
            read = read_table(ending, tokens)
            found[f"table {ending}, {tokens}"] = Kind(table, read, byte_changes.OF_TEXTS, wrong=TABLE_WRONG)
    return found
