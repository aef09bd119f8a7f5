"""Tables: encoding, line ends, delimiter, quotes and header, found as programs write them, or given."""

import csv
import io
import unicodedata
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_jax.datasets.user_files.delimited import DELIMITERS
from rnn_jax.datasets.user_files.labelled_texts import load_labelled_text, read_labelled_texts
from rnn_jax.datasets.user_files.tables import Columns, Format, Table, begins_table, read_table
from rnn_jax.runtime.errors import UserError

NAMED, NUMBERED = Columns("label", "text"), Columns("1", "2")
ROWS = [(("neg", "pos")[number % 2], f"a text {number % 7}") for number in range(100)]
PLAIN = "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in ROWS)


def read(path: Path, content: str | bytes, columns: Columns = NAMED) -> tuple[list[tuple[str, str]], Table]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_labelled_texts(path, columns)
    return list(zip(found.labels, found.texts, strict=True)), found.table


def written(rows: list[tuple[str, ...]], **dialect: Any) -> str:
    """Write rows as Python's csv module does, and with it pandas."""
    file = io.StringIO(newline="")
    csv.writer(file, **dialect).writerows(rows)
    return file.getvalue()


def by_excel(rows: list[tuple[str, ...]]) -> str:
    """Write rows as Excel's 'Text (Tab delimited)': quotes around fields with quotes, commas or line ends."""
    quoted = (
        ['"' + each.replace('"', '""') + '"' if set(each) & set('",\t\n') else each for each in row]
        for row in rows
    )
    return "".join("\t".join(row) + "\r\n" for row in quoted)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_every_form_has_the_same_rows(delimiter: str, newline: str, encoding: str, tmp_path: Path) -> None:
    content = PLAIN.replace("\t", DELIMITERS[delimiter]).replace("\n", newline)
    for suffix in (".csv", ".tsv", ".txt"):
        rows, table = read(tmp_path / f"a{suffix}", content.encode(encoding))
        assert rows == ROWS
        name = {"\n": "lf", "\r\n": "crlf", "\r": "cr"}[newline]
        assert table.format[1:] == (name, DELIMITERS[delimiter], "none", True)
        assert table.format.encoding == encoding.removesuffix("-sig")


WRITERS = {
    "pandas, tabs": lambda rows: written(rows, delimiter="\t", lineterminator="\n"),
    "pandas, tabs, all quoted": lambda rows: written(rows, delimiter="\t", quoting=csv.QUOTE_ALL),
    "pandas, commas": lambda rows: written(rows),
    "commas, all quoted": lambda rows: written(rows, quoting=csv.QUOTE_ALL),
    "semicolons": lambda rows: written(rows, delimiter=";"),
    "Excel, tabs": by_excel,
    "Excel, sep=": lambda rows: "sep=;\r\n" + written(rows, delimiter=";"),
    "a space after each comma": lambda rows: written(rows).replace(",", ", ", len(rows)),
}
TEXTS = st.lists(st.text(st.sampled_from("ab \",;|'\t\n")), min_size=4, max_size=12)


@pytest.mark.parametrize("writer", WRITERS)
@given(texts=TEXTS)
def test_what_programs_write_is_read(
    writer: str, texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [(("neg", "pos")[number % 2], f"w{text}w") for number, text in enumerate(texts)]
    if writer == "a space after each comma":
        rows = [(label, text.replace(",", "")) for label, text in rows]
    path = tmp_path_factory.getbasetemp() / ("a.tsv" if "tabs" in writer else "a.csv")
    assert read(path, WRITERS[writer]([("label", "text"), *rows]))[0] == rows


@pytest.mark.parametrize(
    "texts",
    [
        ['"Go until', "b", 'c"', "d"],
        ['"Go until', "b", 'he said "no"', "d"],
        ['"Go until', "b", 'he said "no', 'he said no"'],
        ['"Wonderful!"', "b", "c", "d"],
        ['a "b" c', '"', 'x""y', "d"],
        ['"a, b"', "c, d", "e", "f"],
    ],
)
def test_quotes_that_belong_to_texts_stay(texts: list[str], tmp_path: Path) -> None:
    rows = [(("neg", "pos")[number % 2], text) for number, text in enumerate(texts)]
    content = "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows)
    assert read(tmp_path / "a.tsv", content)[0] == rows
    quoted = NAMED._replace(format=Format(quoting="none"))
    assert read(tmp_path / "a.tsv", content, quoted)[0] == rows


def test_a_given_form_is_used(tmp_path: Path) -> None:
    form = Format("latin-1", "crlf", "tab", "double", False)
    content = '"1"\t"caf\xe9\nbar"\r\n2\t"""x"""\r\n'.encode("latin-1")
    assert read(tmp_path / "a.csv", content, Columns("1", "2", form))[0] == [("1", "café bar"), ("2", '"x"')]
    commas = NAMED._replace(format=Format(delimiter=",", quoting="none"))
    assert read(tmp_path / "a.tsv", 'label,text\n1,"a\n2,b"\n', commas)[0] == [("1", '"a'), ("2", 'b"')]
    colons = NAMED._replace(format=Format(delimiter=":"))
    assert read(tmp_path / "a.txt", "label:text\n1:a\n2:b\n", colons)[0] == [("1", "a"), ("2", "b")]
    for delimiter in ("ab", '"', ""):
        with pytest.raises(UserError, match=r"dataset.delimiter = .*: must be one character, or tab, comma"):
            read(tmp_path / "a.txt", PLAIN, NAMED._replace(format=Format(delimiter=delimiter)))


def test_a_first_line_that_is_an_example_is_used_or_warned_about(tmp_path: Path) -> None:
    body = PLAIN.partition("\n")[2]
    for content, has_header, count, found, warning in (
        (body, None, 100, False, None),
        (PLAIN, None, 100, True, None),
        (body, False, 100, False, None),
        (PLAIN, True, 100, True, None),
        (body, True, 99, True, "the first line, neg, a text 0, is not used, but looks like an example"),
        (PLAIN, False, 101, False, "the first line, label, text, is an example, but looks like the names"),
    ):
        rows, table = read(
            tmp_path / "a.tsv", content, NUMBERED._replace(format=Format(has_header=has_header))
        )
        assert (len(rows), table.format.has_header) == (count, found)
        assert len(table.warnings) == (warning is not None)
        assert (warning or "") in "".join(table.warnings)
    rows = read(tmp_path / "a.tsv", "1\t0\n0\ta\n1\tb\n0\tc\n", NUMBERED)[0]
    assert rows == [("1", "0"), ("0", "a"), ("1", "b"), ("0", "c")]


def test_a_table_to_predict_needs_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nGood, really\nBad; really\n")
    table = read_table(path, NAMED, needs_label=False)
    assert (table.label, [fields for _, fields in table.rows]) == (None, [["Good, really"], ["Bad; really"]])
    path.write_text("neg\ta\n")  # one row, whose label is known from training
    assert len(read_table(path, NUMBERED, labels=("neg", "pos"), needs_label=False).rows) == 1
    path.write_bytes("text\ncafé\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"not utf-8: byte 8, in line 2, is 0xe9; convert it to UTF-8"):
        read_table(path, NAMED, needs_label=False)  # no key of a config can be set


def test_the_first_line_of_a_table_is_recognized() -> None:
    classes = ("neg", "pos")
    for line in ("label\ttext", "text, label", '"label";"text";"id"', "id|label|text"):
        assert begins_table(line, NAMED, classes)
    for line in ("a label, and its text", "text", "neg\ta text", "good", ""):
        assert not begins_table(line, NAMED, classes)
    assert begins_table("neg\ta text", NUMBERED, classes)
    for line in ("a\ttext", "neg, or not", "neg", ""):
        assert not begins_table(line, NUMBERED, classes)


def test_empty_rows_are_no_examples(tmp_path: Path) -> None:
    for blank in ("\n", '""\t""\n', "\t\n", " \r\n"):
        content = blank + PLAIN.replace("\n", f"\n{blank}", 3) + blank
        assert read(tmp_path / "a.tsv", content, NAMED._replace(format=Format(quoting="double")))[0] == ROWS
    for content in ('""\n""\n', '"\n', "\t\t\n", ",,\n"):
        for suffix in (".tsv", ".csv"):
            with pytest.raises(UserError):
                read(tmp_path / f"a{suffix}", content)


WRONG = {
    "not in the encoding": (
        PLAIN.replace("a text 3", "café").encode("latin-1"),
        r"not utf-8: byte \d+, in line 5, is 0xe9; set dataset.encoding .* such as windows-1252",
    ),
    "no header": (
        PLAIN.partition("\n")[2].encode(),
        "dataset.label_column = label: not a column of .*: must be one of neg, a text 0; if that line is",
    ),
    "quotes that do not match": (
        b'label,text\n1,"a"b\n2,c\n',
        "line 2: ',' expected after '\"'; dataset.quoting=none if quotes are a part of the texts",
    ),
    "columns that differ": (b"label,text\n1,a\n2,b,c\n", "line 3 has 3 columns: must have 2"),
    "UTF-16 without its end": ("label\ttext\n1\ta\n".encode("utf-16")[:-1], "not utf-16: byte 30, in line 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables(case: str, tmp_path: Path) -> None:
    content, message = WRONG[case]
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.csv", content)


def test_the_delimiter_with_the_fewest_labels_is_used(tmp_path: Path) -> None:
    with_price = "".join(f"{label};{text};{number % 9},5\n" for number, (label, text) in enumerate(ROWS))
    with_list = "".join(f"{label}\t{text}, good; long\n" for label, text in ROWS)
    for suffix in (".csv", ".tsv"):
        rows, table = read(tmp_path / f"a{suffix}", with_price, NUMBERED)
        assert (rows, table.format.delimiter) == (ROWS, ";")
        rows, table = read(tmp_path / f"a{suffix}", with_list, NUMBERED)
        assert rows == [(label, f"{text}, good; long") for label, text in ROWS]
    (tmp_path / "b.csv").write_text("neg;a text;3,5\n")
    table = read_table(tmp_path / "b.csv", NUMBERED, labels=("neg", "pos"), needs_label=False)
    assert (table.format.delimiter, [fields for _, fields in table.rows]) == (";", [["neg", "a text", "3,5"]])


@pytest.mark.parametrize(
    "script", ["फिल्म अच्छा है", "фильм хорош", "电影 一", "ταινία", "فيلم جميل", "映画は良い"]
)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_of_other_scripts_needs_no_mark(script: str, encoding: str, tmp_path: Path) -> None:
    expected = [(label, f"{script} {number % 7}") for number, (label, _) in enumerate(ROWS)]
    content = "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in expected)
    rows, table = read(tmp_path / "a.tsv", content.encode(encoding))
    assert (rows, table.format.encoding) == (expected, encoding)


def test_labels_and_columns_in_nfc_and_nfd_are_the_same(tmp_path: Path) -> None:
    forms: list[Literal["NFC", "NFD"]] = ["NFC", "NFD"]
    header = unicodedata.normalize("NFD", "étiquette\ttext\n")
    lines = [f"{unicodedata.normalize(forms[n % 2], ('tệ', 'tốt')[n // 2 % 2])}\ta {n}\n" for n in range(8)]
    rows, _ = read(tmp_path / "a.tsv", header + "".join(lines), Columns("étiquette", "text"))
    assert [label for label, _ in rows] == ["tệ", "tệ", "tốt", "tốt"] * 2
    rows, _ = read(tmp_path / "a.tsv", "".join(lines), NUMBERED)
    assert [label for label, _ in rows] == ["tệ", "tệ", "tốt", "tốt"] * 2
    assert begins_table(header, Columns("étiquette", "text"), ())


LONG = {
    "many columns": ",".join(f"column {number}" for number in range(500)),
    "long names": ",".join("a" * 5_000 for _ in range(9)),
    "one class with a long name": "label,text\n" + f"{'a ' * 900},b\n" * 9,
    "a rare class with a long name": f"label,text\n{'a ' * 900},b\n" + "c,d\ne,f\n" * 9,
}


@pytest.mark.parametrize("case", LONG)
def test_messages_shorten_what_is_in_a_file(case: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(LONG[case])
    keys: dict[str, Any] = {"label_column": "label", "text_column": "text", "tokenizer": "bytes"}
    with pytest.raises(UserError) as caught:
        load_labelled_text(
            data_dir=str(tmp_path), file=str(tmp_path / "a.csv"), truncate="keep_first", **keys
        )
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;", "sep=", "sep=,", "Sep=|"])
def test_excels_first_line_is_no_row(line: str, tmp_path: Path) -> None:
    """Whether it fits the rows, or not."""
    for columns, content in ((NAMED, PLAIN), (NUMBERED, PLAIN.partition("\n")[2])):
        rows, table = read(tmp_path / "a.csv", f"{line}\r\n{content}".replace("\t", ";"), columns)
        assert (rows, table.format.delimiter, table.rows[0][0]) == (ROWS, ";", 3 if columns is NAMED else 2)


def test_invisible_characters_around_labels_are_no_part_of_them(tmp_path: Path) -> None:
    ends = ["", "\u200b"]
    marked = "".join(f"{label}{ends[n // 2 % 2]}\t{text}\n" for n, (label, text) in enumerate(ROWS))
    assert read(tmp_path / "a.tsv", f"\n\ufefflabel\ttext\n{marked}")[0] == ROWS


def test_the_column_of_the_labels_is_checked_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.label_column = 9: not a column of .*: must be one of"):
        read(tmp_path / "a.csv", "words,mood\na b,c\n", Columns("9", "text"))
