"""A user's text files."""

import itertools
import logging
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_jax import datasets
from rnn_jax.datasets.dataset import Dataset
from rnn_jax.datasets.user_files import text_files
from rnn_jax.runtime.errors import UserError

LINES = "".join(f"line number {number} of a text\n" for number in range(200))


def load(tmp_path: Path, **changes: Any) -> Dataset:
    keys = {"name": "text", "batch_size": 2, "data_dir": str(tmp_path / "data"), "tokenizer": "characters"}
    return datasets.build_dataset(**{**keys, "encoding": "utf-8", **changes})


def write(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def texts(found: Dataset) -> dict[str, str]:
    assert found.vocabulary is not None
    return {split: found.vocabulary.decode(arrays["tokens"]) for split, arrays in found.splits.items()}


@pytest.mark.parametrize("tokenizer", ["characters", "bytes", "words", "bpe"])
def test_a_file_is_cut_into_tenths_at_its_lines(tokenizer: str, tmp_path: Path) -> None:
    size = 300 if tokenizer == "bpe" else None
    found = load(tmp_path, file=write(tmp_path / "a.txt", LINES), tokenizer=tokenizer, vocabulary_size=size)
    parts = texts(found)
    if tokenizer == "words":  # each number is there once
        assert set("".join(parts.values()).splitlines()) == {"line number <unk> of a text"}
    else:
        assert "".join(parts.values()) == LINES
    written = len("".join(parts.values()))
    assert parts["validation"].startswith("line")
    assert parts["test"].startswith("line")
    assert len(parts["train"]) == pytest.approx(0.8 * written, abs=80)
    assert len(parts["validation"]) == pytest.approx(0.1 * written, abs=80)
    assert found.spec["unit"] == {"words": "word", "bpe": "piece"}.get(tokenizer, tokenizer[:-1])
    assert found.vocabulary is not None
    assert found.spec["vocabulary"] == len(found.vocabulary)


@pytest.mark.parametrize("tokenizer", ["characters", "words"])
def test_one_long_line_is_cut_too(tokenizer: str, tmp_path: Path) -> None:
    text = " ".join(f"word{number % 50}" for number in range(2_000)) + " end"
    parts = texts(load(tmp_path, file=write(tmp_path / "a.txt", text), tokenizer=tokenizer))
    assert len(parts["validation"]) == pytest.approx(0.1 * len(text), rel=0.1)
    if tokenizer == "characters":
        assert "".join(parts.values()) == text
    else:  # no word is cut in two
        assert " ".join(parts.values()) == text.removesuffix("end") + "<unk>"


@pytest.mark.parametrize("tokenizer", ["characters", "words", "bpe"])
def test_both_forms_of_a_text_have_the_same_tokens(
    tokenizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a file is read in blocks, and however long its lines are."""
    lines = "Ça a été très bien, là-bas. 이 영화는 정말 좋다. phim rất hay và cảm động "
    size = 400 if tokenizer == "bpe" else None
    for block, text in itertools.product((3, 7, 64), (lines * 40, (lines + "\n") * 40)):
        monkeypatch.setattr(text_files, "_BLOCK", block)
        found = []
        for form in ("NFC", "NFD"):
            file = write(tmp_path / "a.txt", unicodedata.normalize(form, text))
            options = {"tokenizer": tokenizer, "vocabulary_size": size}
            found.append(load(tmp_path, file=file, data_dir=str(tmp_path / f"{form}{block}"), **options))
        assert found[0].version != found[1].version
        assert found[0].vocabulary == found[1].vocabulary
        assert texts(found[0]) == texts(found[1])
        if tokenizer == "characters":
            assert "".join(texts(found[1]).values()) == unicodedata.normalize("NFC", text)


def test_files_of_their_own_for_each_split(tmp_path: Path) -> None:
    files = {
        "file": write(tmp_path / "a.txt", "to be or not to be\n"),
        "validation_file": write(tmp_path / "b.txt", "to see\n"),
        "test_file": write(tmp_path / "c.txt", "or not to see\n"),
    }
    found = load(tmp_path, tokenizer="words", **files)
    assert texts(found) == {
        # Of words that train has not, something can be learned: those that it has once are unknown too.
        "train": "to be <unk> <unk> to be\n",
        "validation": "to <unk>\n",
        "test": "<unk> <unk> to <unk>\n",
    }
    # Where every word is known there is no unknown one.
    known = load(
        tmp_path, tokenizer="words", **files | {"validation_file": files["file"], "test_file": files["file"]}
    )
    assert known.vocabulary is not None
    assert known.vocabulary.unknown is None
    # Every character has a number, wherever it is.
    assert texts(load(tmp_path, **files))["validation"] == "to see\n"


def test_prepared_tokens_are_mapped_into_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path / "a.txt", LINES)
    with caplog.at_level(logging.INFO):
        first, again = load(tmp_path, file=file), load(tmp_path, file=file)
    (message,) = [record.message for record in caplog.records]
    (folder,) = (tmp_path / "data" / "rnn_jax_text").iterdir()
    assert message == f"preparing {file} in {folder}, once"
    assert isinstance(again.splits["train"]["tokens"], np.memmap)
    assert first.version == again.version
    # Another text, or another way of reading it, is another data set.
    words = load(tmp_path, file=file, tokenizer="words")
    write(tmp_path / "a.txt", LINES + "more\n")
    longer = load(tmp_path, file=file)
    assert len({first.version, words.version, longer.version}) == 3
    assert texts(longer)["test"].endswith("more\n")


def test_windows_line_ends_and_a_mark_of_order_are_no_characters(tmp_path: Path) -> None:
    marked = write(tmp_path / "a.txt", b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode())
    found = load(tmp_path, file=marked)
    assert "".join(texts(found).values()) == LINES
    latin = load(
        tmp_path, file=write(tmp_path / "b.txt", (LINES + "é\n").encode("latin-1")), encoding="latin-1"
    )
    assert texts(latin)["test"].endswith("é\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_in_another_unicode_encoding(encoding: str, tmp_path: Path) -> None:
    """Found by its mark or its zeros; given, it may have few zeros."""
    found = load(tmp_path, file=write(tmp_path / "a.txt", LINES.encode(encoding)), encoding=None)
    assert "".join(texts(found).values()) == LINES
    chinese = "".join(chr(0x4E00 + number) for number in range(2_000))
    found = load(tmp_path, file=write(tmp_path / "b.txt", chinese.encode(encoding)), encoding=encoding)
    assert "".join(texts(found).values()) == chinese


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (
            "abc\n".encode("utf-16"),
            {"encoding": "utf-8"},
            r"a.txt: not utf-8: byte 0, in line 1, is 0xff; it is utf-16, which is found where dataset.encod",
        ),
        (b"a\nb\nc\xff\n" * 50, {}, r"a.txt: not utf-8: byte 5, in line 3, is 0xff; set dataset.encoding"),
        (b"", {}, r"a.txt: empty: has no text for train"),
        (b"a", {}, r"a.txt: empty: has no text for train, eight tenths of the file"),
        (b"ab", {}, r"a.txt: empty: has no text for validation, a tenth of the file"),
        (None, {}, r"dataset.file = .*a.txt: no such file; set --config.dataset.file=FILE"),
        (
            b"abc\n" * 50,
            {"tokenizer": "bpe", "vocabulary_size": 9},
            r"vocabulary_size = 9: must be at",
        ),
        (b"abc\n" * 50, {"encoding": "klingon"}, r"dataset.encoding = klingon: not a text encoding"),
        (b"abc\n" * 50, {"encoding": "hex"}, r"dataset.encoding = hex: not a text encoding"),
        (b"abc\n" * 50, {"encoding": "utf-16"}, r"a.txt: not utf-16: .*; set dataset.encoding"),
        (
            b" \n" * 50,
            {"tokenizer": "bytes", "encoding": "utf-8", "file": "~nosuch/a.txt"},
            r"~nosuch/a.txt: .*no such file",
        ),
    ],
)
def test_wrong_input_is_an_error_and_leaves_no_prepared_data(
    content: bytes | None, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    if content is not None:
        write(tmp_path / "a.txt", content)
    with pytest.raises(UserError, match=message):
        load(tmp_path, **{"file": str(tmp_path / "a.txt"), **changes})
    prepared = tmp_path / "data" / "rnn_jax_text"
    assert not prepared.exists() or list(prepared.iterdir()) == []


def test_an_empty_split_is_an_error(tmp_path: Path) -> None:
    files = {
        name: write(tmp_path / f"{name}.txt", "text\n") for name in ("file", "validation_file", "test_file")
    }
    write(tmp_path / "test_file.txt", "")
    with pytest.raises(UserError, match=r"test_file.txt: empty: has no text for test$"):
        load(tmp_path, **files)


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.file = .*: is not a file"):
        load(tmp_path, file=str(tmp_path))


@pytest.mark.parametrize("damaged", ["train.tokens", "vocabulary.json"])
def test_damaged_prepared_text_is_an_error(damaged: str, tmp_path: Path) -> None:
    keys = {"file": write(tmp_path / "a.txt", LINES)}
    load(tmp_path, **keys)
    (folder,) = (tmp_path / "data" / "rnn_jax_text").iterdir()
    content = bytearray((folder / damaged).read_bytes())
    content[40] ^= 1
    (folder / damaged).write_bytes(content)
    with pytest.raises(UserError, match=f"{damaged}: damaged; delete .*{folder.name}"):
        load(tmp_path, **keys)


def test_a_split_without_a_token_is_an_error(tmp_path: Path) -> None:
    files = {
        name: write(tmp_path / f"{name}.txt", "text\n") for name in ("file", "validation_file", "test_file")
    }
    write(tmp_path / "validation_file.txt", "   ")
    for _ in range(2):
        with pytest.raises(UserError, match=r"validation_file.txt: empty: has no token for validation"):
            load(tmp_path, tokenizer="words", **files)
    assert list((tmp_path / "data" / "rnn_jax_text").iterdir()) == []


def test_a_character_of_another_split_is_unknown_where_the_vocabulary_has_a_size(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", LINES + "Zebra\n")
    found = load(tmp_path, file=file, vocabulary_size=1_000)
    assert found.vocabulary is not None
    assert found.vocabulary.unknown is not None
    assert "Z" not in found.vocabulary.tokens
