"""Tables of labelled texts: columns, encodings, quotes, left-out rows, splits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.user_files import labelled_texts
from rnn_jax.datasets.user_files.labelled_texts import read_labelled_texts
from rnn_jax.datasets.user_files.tables import Columns, Format
from rnn_jax.runtime.errors import UserError

FORM = "table: utf-8, lf line ends, delimiter tab, no quotes, header"
WORDS = {"good": ("fine", "great"), "bad": ("poor", "awful")}


def rows(count: int) -> list[tuple[str, str]]:
    """Labels and texts of 2 to 9 words."""
    found = []
    for number in range(count):
        label = ("good", "bad")[number % 2]
        words = [
            WORDS[label][number // 2 % 2],
            *(f"w{(number + place) % 7}" for place in range(1 + number % 8)),
        ]
        found.append((label, " ".join(words)))
    return found


def write(path: Path, content: list[tuple[str, str]], encoding: str = "utf-8") -> str:
    lines = ["label\ttext", *("\t".join(row) for row in content)]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return str(path)


def load(tmp_path: Path, file: str, **changes: Any) -> Dataset:
    keys: dict[str, Any] = {
        "name": "labelled_text",
        "batch_size": 4,
        "data_dir": str(tmp_path / "data"),
        "file": file,
        "label_column": "label",
        "text_column": "text",
        "has_header": True,
        "encoding": "utf-8",
        "tokenizer": "words",
        "truncate": "keep_first",
    }
    return datasets.build_dataset(**keys | changes)


def texts(found: Dataset, split: str) -> list[str]:
    assert found.vocabulary is not None
    arrays = found.splits[split]
    parts = np.split(arrays["steps"], np.cumsum(arrays["lengths"])[:-1])
    return [found.vocabulary.decode(part).strip() for part in parts]


def test_a_table_gets_a_stratified_split(tmp_path: Path) -> None:
    found = load(tmp_path, write(tmp_path / "a.tsv", rows(200)))
    assert found.counts == {"train": 160, "validation": 20, "test": 20}
    assert found.classes == ("bad", "good")
    assert found.spec["classes"] == 2
    assert found.spec["vocabulary"] == len(found.vocabulary or ())
    for split, arrays in found.splits.items():
        assert np.bincount(arrays["targets"]).tolist() == [found.counts[split] // 2] * 2
    together = sorted(text for split in found.splits for text in texts(found, split))
    assert together == sorted(text for _, text in rows(200))
    for text, target in zip(texts(found, "test"), found.splits["test"]["targets"], strict=True):
        assert text.split()[0] in WORDS[found.classes[target]]
    again = load(
        tmp_path, write(tmp_path / "b.tsv", rows(200))
    )  # the same contents elsewhere: nothing is read
    assert again.version == found.version
    np.testing.assert_array_equal(again.splits["test"]["steps"], found.splits["test"]["steps"])


def test_files_of_their_own_are_taken_whole(tmp_path: Path) -> None:
    train, test = (
        write(tmp_path / f"{name}.tsv", rows(count)) for name, count in (("train", 100), ("test", 7))
    )
    found = load(tmp_path, train, test_file=test)
    assert found.counts == {"train": 90, "validation": 10, "test": 7}
    assert texts(found, "test") == [text for _, text in rows(7)]
    found = load(tmp_path, train, test_file=test, validation_file=write(tmp_path / "v.tsv", rows(9)))
    assert found.counts == {"train": 100, "validation": 9, "test": 7}
    assert texts(found, "train") == [text for _, text in rows(100)]


def test_long_texts_are_truncated_with_a_note(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", rows(100))
    whole = load(tmp_path, file)
    assert whole.notes == (FORM,)
    longer = sum(len(text.split()) > 3 for _, text in rows(100))
    for truncate, part in (("keep_first", slice(3)), ("keep_last", slice(-3, None))):
        found = load(tmp_path, file, max_length=3, truncate=truncate)
        assert texts(found, "train") == [" ".join(text.split()[part]) for text in texts(whole, "train")]
        end = truncate.removeprefix("keep_")
        assert found.notes == (
            FORM,
            f"{longer} of 100 sequences truncated to the {end} 3 steps",
        )
        assert max(arrays["lengths"].max() for arrays in found.splits.values()) == 3


def test_another_encoding(tmp_path: Path) -> None:
    content = [(label, f"{text} é") for label, text in rows(100)]
    file = write(tmp_path / "a.tsv", content, "latin-1")
    found = load(tmp_path, file, encoding="latin-1")
    assert all(text.endswith(" é") for text in texts(found, "test"))
    place = (tmp_path / "a.tsv").read_bytes().index(0xE9)
    with pytest.raises(
        UserError, match=rf"a.tsv: not utf-8: byte {place}, in line 2, is 0xe9; set dataset.encoding"
    ):
        load(tmp_path, file)


@pytest.mark.parametrize("tokenizer", ["characters", "bytes", "bpe"])
def test_other_tokens(tokenizer: str, tmp_path: Path) -> None:
    size = 300 if tokenizer == "bpe" else None
    found = load(tmp_path, write(tmp_path / "a.tsv", rows(100)), tokenizer=tokenizer, vocabulary_size=size)
    assert found.vocabulary is not None
    expected = sorted(text for _, text in rows(100))
    assert sorted(text for split in found.splits for text in texts(found, split)) == expected


def test_the_source_of_texts_depends_on_no_tokenizer(tmp_path: Path) -> None:
    """Reports compare configs with different tokenizers, but not different texts."""
    one, other = write(tmp_path / "a.tsv", rows(100)), write(tmp_path / "b.tsv", rows(110))
    found = [load(tmp_path, one), load(tmp_path, one, tokenizer="characters"), load(tmp_path, other)]
    assert len({data.version for data in found}) == 3
    sources = [data.identity["source"] for data in found]
    assert sources[0] == sources[1] != sources[2]


def test_tokens_outside_the_training_texts_are_unknown(tmp_path: Path) -> None:
    test = write(tmp_path / "test.tsv", [("good", "fine 漢字 fine!")])
    for tokenizer, expected in (
        ("words", "fine <unk> fine <unk>"),
        ("characters", "fine \ufffd\ufffd fine\ufffd"),
    ):
        found = load(tmp_path, write(tmp_path / "a.tsv", rows(100)), test_file=test, tokenizer=tokenizer)
        assert texts(found, "test") == [expected]


COLUMNS = Columns("label", "text")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'label,text,other\n1,"He said ""no"", twice",x\n\n0,"two\nlines",y\n'),
        ("a.csv", 'label;text;other\r\n1;"He said ""no"", twice";x\r\n0;"two\nlines";y\r\n'),
        ("a.CSV", '\ufefflabel,text,other\n1,"He said ""no"", twice",x\n0,"two\nlines",y'),
    ],
)
def test_commas_and_quotes(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content.encode())
    found = read_labelled_texts(tmp_path / name, COLUMNS)
    assert found.labels == ["1", "0"]
    assert found.texts == ['He said "no", twice', "two\nlines"]


def test_tabs_and_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b'ham\t"Go until, he said\r\nspam\tFree "entry"\r\n')
    columns = Columns("1", "2", Format(has_header=False))
    found = read_labelled_texts(tmp_path / "a.txt", columns)
    assert found.labels == ["ham", "spam"]
    assert found.texts == ['"Go until, he said', 'Free "entry"']
    found = read_labelled_texts(tmp_path / "a.txt", columns._replace(format=Format(has_header=True)))
    assert found.labels == ["spam"]


def test_rows_without_a_text_or_a_label_are_counted(tmp_path: Path) -> None:
    content = [*rows(100), ("good", " "), ("", "some text"), ("bad", "")]
    found = load(tmp_path, write(tmp_path / "a.tsv", content))
    assert sum(found.counts.values()) == 100
    assert found.notes == (
        FORM,
        "3 rows without a text or a label left out",
    )


def test_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    content = [(str(number % 3 * 5), text) for number, (_, text) in enumerate(rows(90))]
    assert load(tmp_path, write(tmp_path / "a.tsv", content)).classes == ("0", "5", "10")


GOOD = "label\ttext\n" + "good\tfine\nbad\tpoor\n" * 20
WRONG = {
    "empty": ("", {}, "a.tsv: empty"),
    "no rows": ("label\ttext\n\n", {}, "a.tsv: has a header, label, text, but no row below it"),
    "no texts": ("label\ttext\n1\t\n", {}, "a.tsv: has no row with a text and a label"),
    "no such column": (
        GOOD,
        {"label_column": "lable"},
        r"dataset.label_column = lable: .*: must be one of label, text",
    ),
    "no such number": (GOOD, {"text_column": "3"}, r"dataset.text_column = 3: not a column of"),
    "too many columns": (
        GOOD + "good\ta\tb\n",
        {},
        "line 42 has 3 columns: must have 2 as the first line",
    ),
    "one class": (
        "label\ttext\n" + "good\tfine\n" * 40,
        {},
        "a.tsv: has one class, 'good': must have at least two",
    ),
    "a class with one text": (
        GOOD + "odd\thm\n",
        {},
        "the class 'odd' has one example: must have at least two",
    ),
    "classes with one text": (
        GOOD + "odd\thm\nold\thm\n",
        {},
        "'odd' has one example .and 1 more classes.: must",
    ),
    "two columns of a name": (
        "label\ttext\ttext\n" + "good\ta\tb\n" * 20,
        {},
        r"dataset.text_column = text: .*a.tsv has 2 columns with that name",
    ),
    "too few": (
        "label\ttext\ngood\ta\nbad\tb\ngood\tc\nbad\td\n",
        {},
        "a.tsv: has 4 examples: too few to split off a tenth",
    ),
    "no such encoding": (GOOD, {"encoding": "utf-9"}, "dataset.encoding = utf-9: not a text encoding"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables(case: str, tmp_path: Path) -> None:
    content, changes, message = WRONG[case]
    (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(UserError, match=message):
        load(tmp_path, str(tmp_path / "a.tsv"), **changes)
    assert not list((tmp_path / "data").glob("*/*"))  # nothing half made is left


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"dataset.file = nowhere.tsv: no such file; set --config.dataset.file=FILE"
    ):
        load(tmp_path, "nowhere.tsv")
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"a.xlsx: must end with .csv \(commas\), or .tsv, .tab or .txt"):
        load(tmp_path, str(tmp_path / "a.xlsx"))
    (tmp_path / "a.csv").write_text('label,text\n1,"never closed\n')
    with pytest.raises(UserError, match=r"a.csv: line 2: unexpected end of data"):
        load(tmp_path, str(tmp_path / "a.csv"))


def test_a_class_that_is_tested_and_never_learned(tmp_path: Path) -> None:
    test = write(tmp_path / "test.tsv", [("odd", "hm")])
    with pytest.raises(UserError, match=r"test\.tsv: the class 'odd' is in test, but not in train"):
        load(tmp_path, write(tmp_path / "a.tsv", rows(40)), test_file=test)


def test_a_long_field_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"label,text\n1,{'word ' * 60_000}\n")
    assert len(read_labelled_texts(tmp_path / "a.csv", COLUMNS).texts[0]) > 200_000


def test_the_reading_is_part_of_the_name(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tsv", rows(100))
    versions = {
        load(tmp_path, file, tokenizer=tokenizer).version for tokenizer in ("words", "characters", "bytes")
    }
    assert len(versions | {load(tmp_path, file, vocabulary_size=5).version}) == 4
    assert labelled_texts._FORMAT == 2
