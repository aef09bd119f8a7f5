"""Small tables of labelled texts in the forms that spreadsheets, editors and other programs write."""

import csv
import io
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import byte_changes
from byte_changes import Change
from kind import Changes, Files, Kind, build
from text_kinds import predict_texts

from rnn_jax.datasets.user_files.tables import Columns, Format

Rows = Sequence[tuple[str, str]]
PLAIN: Rows = [(str(number % 3), f"text {number} of class {number % 3}") for number in range(40)]
COMMAS: Rows = [(label, f"{text}, which is long") for label, text in PLAIN]
QUOTES: Rows = [(label, f'a "{text}"' if label == "1" else text) for label, text in PLAIN]
BREAKS: Rows = [(label, text.replace(" of", "\nof")) for label, text in PLAIN]
ACCENTS: Rows = [(label, f"{text} café déjà") for label, text in PLAIN]
MARKS: Rows = [(label, f"यह फिल्म {text} שָׁלוֹם") for label, text in PLAIN]


class Form(NamedTuple):
    """A form of a table."""

    suffix: str
    rows: Rows
    write: Callable[[Rows], bytes]
    encoding: str | None = None  # as given in the config
    has_names: bool = True  # whether the columns are given by name, not by number

    @property
    def columns(self) -> Columns:
        """The columns and the encoding that a config gives."""
        label, text = ("label", "text") if self.has_names else ("1", "2")
        return Columns(label, text, Format(self.encoding))

    @property
    def contents(self) -> bytes:
        """The file."""
        return self.write(self.rows)


def _joined(
    delimiter: str, *, newline: str = "\n", before: str = "", header: bool = True
) -> Callable[[Rows], str]:
    """Return a function that joins rows without quotes."""

    def write(rows: Rows) -> str:
        named = [("label", "text"), *rows] if header else rows
        return before + "".join(delimiter.join(row) + newline for row in named)

    return write


def _quoted(delimiter: str, quoting: Any, newline: str = "\n") -> Callable[[Rows], str]:
    """Return a function that writes rows as Python's csv module does."""

    def write(rows: Rows) -> str:
        file = io.StringIO(newline="")
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=newline)
        writer.writerows([("label", "text"), *rows])
        return file.getvalue()

    return write


def _in(encoding: str, write: Callable[[Rows], str]) -> Callable[[Rows], bytes]:
    return lambda rows: write(rows).encode(encoding)


def _decomposed(rows: Rows) -> bytes:
    return unicodedata.normalize("NFD", _joined(",")(rows)).encode()


FORMS = {
    "sep=;": Form(".csv", COMMAS, _in("utf-8", _joined(";", newline="\r\n", before="sep=;\r\n"))),
    "semicolons": Form(".csv", PLAIN, _in("utf-8", _joined(";"))),
    "a space after commas": Form(".csv", PLAIN, _in("utf-8", _joined(", "))),
    "bars": Form(".txt", PLAIN, _in("utf-8", _joined("|"))),
    "quotes, tabs": Form(".tsv", QUOTES, _in("utf-8", _quoted("\t", csv.QUOTE_ALL))),
    "some quotes, tabs": Form(".tsv", QUOTES, _in("utf-8", _quoted("\t", csv.QUOTE_MINIMAL, "\r\n"))),
    "quotes, commas": Form(".csv", COMMAS, _in("utf-8", _quoted(",", csv.QUOTE_MINIMAL, "\r\n"))),
    "quotes, line ends": Form(".csv", BREAKS, _in("utf-8", _quoted(",", csv.QUOTE_ALL))),
    "UTF-16 with a mark": Form(".tsv", ACCENTS, _in("utf-16", _joined("\t"))),
    "UTF-16, little-endian": Form(".tsv", PLAIN, _in("utf-16-le", _joined("\t"))),
    "UTF-16, big-endian": Form(".csv", PLAIN, _in("utf-16-be", _quoted(",", csv.QUOTE_ALL))),
    "UTF-8 with a mark": Form(".csv", ACCENTS, _in("utf-8-sig", _joined(",", newline="\r\n"))),
    "Windows-1252": Form(".csv", ACCENTS, _in("windows-1252", _joined(";")), "windows-1252"),
    "old Mac": Form(".csv", PLAIN, _in("utf-8", _joined(",", newline="\r"))),
    "no header": Form(".tsv", PLAIN, _in("utf-8", _joined("\t", header=False)), has_names=False),
    "columns by number": Form(".csv", PLAIN, _in("utf-8", _joined(",")), has_names=False),
    "empty rows": Form(".csv", PLAIN, _in("utf-8", _joined(",", before="\n,\n"))),
    "combining marks": Form(".csv", MARKS, _in("utf-8", _joined(","))),
    "NFD": Form(".csv", ACCENTS, _decomposed),
}


def _encoded_within(data: bytes, change: Change, number: int) -> bytes:
    """Change the text of a file in UTF-16."""
    del number
    encoding = (
        "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-be" if data[0] == 0 else "utf-16-le"
    )
    return change(data.decode(encoding).encode()).decode("utf-8", "replace").encode(encoding)


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "<text>label,text</text>")
    return file.getvalue()


OTHERS = (
    _zip("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"),
    _zip("word/document.xml"),
    _zip("a.csv"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    b"PAR1" + bytes(range(256)),
    b"SQLite format 3\0" + bytes(90),
)


def _wrong(name: str, form: Form) -> Changes:
    """Return changes that a reader must reject."""
    found: dict[str, Callable[[Files, int], Files]] = {
        "another kind of file": lambda files, number: {name: OTHERS[number % len(OTHERS)]},
        "empty": lambda files, number: {name: b"\n" * (number % 3)},
    }
    if form.has_names:
        without = form._replace(write=_in("utf-8", _joined("\t", header=False))).contents
        found["without names"] = lambda files, number: {name: without}
        found["only the names"] = lambda files, number: {name: form.write([])}
    return found


def _read(name: str, form: Form, tokenizer: str) -> Callable[[Path], Any]:
    label, text, _ = form.columns

    def read(folder: Path) -> Any:
        keys = {
            "label_column": label,
            "text_column": text,
            "encoding": form.encoding,
            "truncate": "keep_first",
        }
        return build("labelled_text", folder, file=str(folder / name), tokenizer=tokenizer, **keys)

    return read


def kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    found = {}
    for number, (title, form) in enumerate(FORMS.items()):
        name, tokenizer = f"a{form.suffix}", ("words", "bytes", "characters")[number % 3]
        files: Files = {name: form.contents}
        kind = Kind(
            files,
            _read(name, form, tokenizer),
            byte_changes.OF_TABLES,
            wrong=_wrong(name, form),
            predict=predict_texts(name, tokenizer, form.columns),
        )
        found[f"table, {title}"] = kind._replace(within=_encoded_within) if "UTF-16" in title else kind
    workbook = Kind({"a.csv": OTHERS[0]}, _read("a.csv", FORMS["semicolons"], "words"), is_valid=False)
    found["table, Excel workbook"] = workbook._replace(predict=predict_texts("a.csv", "words"))
    return found
