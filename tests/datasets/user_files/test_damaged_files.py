"""Damaged files that a reader once accepted or crashed on, found by endurance trials."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from user_texts import load_text

from rnn_jax import datasets
from rnn_jax.datasets import idx, specs, vocabulary
from rnn_jax.datasets.dataset import Dataset, Splits
from rnn_jax.datasets.user_files import pictures, text_inputs
from rnn_jax.datasets.user_files.sequences import read_sequences
from rnn_jax.datasets.user_files.tables import Columns, Format
from rnn_jax.datasets.vocabulary import Vocabulary, learn_bpe, learn_characters
from rnn_jax.runtime.errors import UserError


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


JSON = {
    "lists in lists": '{"unit": ' + "[" * 100_000,
    "a token twice": '{"unit": "character", "tokens": ["a", "b", "a"]}',
    "half a character": '{"unit": "character", "tokens": ["a", "\\ud800"]}',
    "tokens of bytes": '{"unit": "byte", "tokens": 0}',
    "tokens of pieces": '{"unit": "piece", "tokens": 5, "pieces": "{}"}',
}


@pytest.mark.parametrize("name", JSON)
def test_damaged_vocabularies_are_an_error(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "vocabulary.json", JSON[name].encode())
    with pytest.raises(UserError, match=r"vocabulary.json: damaged, not? a? ?v"):
        Vocabulary.load(path)


PIECES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no model": lambda content: content.pop("model"),
    "another model": lambda content: content["model"].update(type="WordLevel"),
    "another pre-tokenizer": lambda content: content.update(pre_tokenizer={"type": "Whitespace"}),
    "more tokens": lambda content: content.update(added_tokens=[{"id": 9_999, "content": "x"}]),
    "a gap": lambda content: content["model"]["vocab"].update(the=9_999),
    "a number twice": lambda content: content["model"]["vocab"].update(the=3),
    "a byte without a number": lambda content: content["model"]["vocab"].pop("!"),
    "merges of nothing": lambda content: content["model"].update(merges=[["q", "@@"]]),
}


@pytest.mark.parametrize("name", PIECES)
def test_damaged_bpe_is_an_error(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    known = learn_bpe(iter(["the cat sat on the mat"] * 9), 270)
    known.save(tmp_path / "vocabulary.json", "1")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == known
    content = json.loads(known.bpe or "")
    PIECES[name](content)
    vocabulary.Vocabulary("piece", bpe=json.dumps(content)).save(tmp_path / "vocabulary.json", "1")
    with pytest.raises(UserError, match=r"vocabulary.json: damaged, not a BPE tokenizer: "):
        Vocabulary.load(tmp_path / "vocabulary.json")


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("side", [9_460, 13_500, 1 << 20])  # Pillow warns of more, refuses still more
def test_pictures_with_too_many_pixels_are_an_error(side: int, tmp_path: Path) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")
    with pytest.raises(UserError, match=rf"a.png: {side:,}x{side:,} pixels: must be at most 89,478,485"):
        pictures.read(written(tmp_path / "a.png", content))


def test_every_flipped_bit_of_a_png_file_is_an_error(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(256, size=(5, 4)).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    sound = (tmp_path / "a.png").read_bytes()
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(UserError, match=r"b.png: "):
            pictures.read(written(tmp_path / "b.png", bytes(damaged)))
    for end in range(len(sound)):
        with pytest.raises(UserError, match=r"b.png: "):
            pictures.read(written(tmp_path / "b.png", sound[:end]))


def test_damaged_metadata_gives_no_warning(tmp_path: Path) -> None:
    """When a picture was taken, and where, does not matter, and may be damaged."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x09\x00" + b"\xff" * 9
    for name in ("a.jpg", "b.jpg"):
        Image.new("L", (4, 3), 77).save(tmp_path / name, exif=exif)
    found = pictures.read_all([tmp_path / "a.jpg", tmp_path / "b.jpg"])
    assert [picture.shape for picture in found] == [(3, 4)] * 2


LENGTHS = {
    "negative in a larger type": np.array([2**64 - 1, 9], np.uint64),
    "a sum that wraps": np.array([2**62, 2**62, 2**62, 2**62, 8]),
    "too long for its type": np.array([2**32 + 4, 4]),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_beyond_the_steps_are_an_error(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((8, 2)), lengths=LENGTHS[name])
    with pytest.raises(UserError, match=r"a.npz: row \d of lengths is \d[\d,]*: must be 0 to 8"):
        read_sequences(tmp_path / "a.npz", needs_targets=False)


ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no steps": ({"x": np.zeros(0), "lengths": np.zeros(0, int), "y": np.zeros(0)}, r"x is float64 \[0\]"),
    "no features": ({"x": np.zeros((8, 0)), "lengths": [4, 4], "y": [0, 1]}, r"x is float64 \[8, 0\]"),
    "nothing to tell": ({"x": np.zeros((2, 3)), "y": np.zeros((2, 0))}, "must have at least one number"),
    "too large to tell": (
        {"x": np.zeros((2, 3)), "y": np.array([1.0, 1e300])},
        r"row 1 of y: 1e\+300: must be finite",
    ),
    "no code points": (
        {"x": np.zeros((2, 3)), "y": np.array([65, 0x110000], np.uint32).view("<U1")},
        "y has labels with invalid characters",
    ),
    "half a character": (
        {"x": np.zeros((2, 3)), "y": np.array([65, 0xD800], np.uint32).view("<U1")},
        "y has labels with invalid characters",
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_invalid_arrays_are_an_error(name: str, tmp_path: Path) -> None:
    arrays, message = ARRAYS[name]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=rf"a.npz: .*{message}"):
        read_sequences(tmp_path / "a.npz")


def test_lone_surrogates_are_an_error(tmp_path: Path) -> None:
    """Some encodings decode to what is no text."""
    path = written(tmp_path / "a.tsv", b"0\t+2AA-\n1\tb\n" * 20)
    with pytest.raises(UserError, match=r"a.tsv: not utf-7: has half of a character.*; set dataset"):
        load_text(path, "utf-7")
    keys = {"label_column": "1", "text_column": "2", "has_header": False, "encoding": "utf-7"}
    for tokenizer in ("words", "bytes"):
        with pytest.raises(UserError, match=r"a.tsv: not utf-7: has half of a character"):
            datasets.build_dataset(
                name="labelled_text",
                batch_size=2,
                file=str(path),
                tokenizer=tokenizer,
                truncate="keep_last",
                data_dir=str(tmp_path),
                **keys,
            )


def error_of(path: Path, encoding: str) -> str | None:
    columns = Columns("label", "text", Format(encoding=encoding))
    ((found,),) = text_inputs.read_input_texts([str(path)], learn_characters(["cafe"]), columns, ())
    return found.error


@pytest.mark.parametrize("encoding", ["nonsense", "utf-8\0", "hex"])
def test_unknown_encodings_are_an_error(encoding: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"the cat\n" * 30)
    with pytest.raises(UserError, match=r"dataset.encoding = .*: not a text encoding"):
        load_text(path, encoding)
    written(path, b"caf\xe9\n")
    assert "not a text encoding" in str(error_of(path, encoding))


def test_lines_without_end_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_inputs, "_MAX_LINE_BYTES", 1_000)
    path = written(tmp_path / "a.txt", b"a" * 2_000)
    assert "a.txt: a line of more than 1,000 bytes" in str(error_of(path, "utf-8"))


SPEC = idx.image_spec(4, 3, 2)
SPLITS: Splits = {"train": {"inputs": np.zeros((2, 4, 3), np.uint8), "targets": np.array([0, 1], np.int32)}}
STEPS: Splits = {
    "train": {
        "lengths": np.array([2, 1], np.int32),
        "targets": np.array([0, 1], np.int32),
        "steps": np.array([0, 1, 2], np.int32),
    }
}
TOKENS = {"kind": "labelled_text", "unit": "byte", "vocabulary": 3, "classes": 2}
DAMAGED: dict[str, tuple[dict[str, Any], Splits, str, Any]] = {
    "a label out of range": (SPEC, SPLITS, "targets", np.array([0, 2])),
    "a label below zero": (SPEC, SPLITS, "targets", np.array([0, -1])),
    "a label too few": (SPEC, SPLITS, "targets", np.array([0])),
    "no image": (SPEC, SPLITS, "inputs", np.zeros((0, 4, 3), np.uint8)),
    "images of another size": (SPEC, SPLITS, "inputs", np.zeros((2, 3, 4), np.uint8)),
    "a token out of range": (TOKENS, STEPS, "steps", np.array([0, 1, 3])),
    "a token below zero": (TOKENS, STEPS, "steps", np.array([0, 1, -1])),
    "lengths of more": (TOKENS, STEPS, "lengths", np.array([2, 2])),
    "lengths below zero": (TOKENS, STEPS, "lengths", np.array([4, -1])),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_arrays_that_differ_from_the_spec_are_an_error(name: str) -> None:
    spec, splits, key, value = DAMAGED[name]
    specs.check_arrays(Dataset("1", spec, splits, classes=("a", "b")), "here")
    changed = {"train": {**splits["train"], key: value}}
    with pytest.raises(UserError, match=r"here: damaged: train "):
        specs.check_arrays(Dataset("1", spec, changed, classes=("a", "b")), "here")
