"""Files from elsewhere are data: nothing is unpickled, no name leads out, nothing unpacks without end."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import idx, images_name, labels_name, write_files
from PIL import Image

from rnn_jax import datasets
from rnn_jax.datasets import builder, images, inputs, pictures, sequences, specs, untrusted, vocabulary
from rnn_jax.datasets.dataset import Loaded, Splits
from rnn_jax.runtime.errors import UserError


class Harm:
    """Unpickling one would write a file."""

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.system, ("touch harmed",)


@pytest.fixture
def _quiet_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def zipped(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def claimed(shape: str, descr: str = "'<f4'") -> bytes:
    """The file of an array whose head says what it likes."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(64)


@pytest.mark.usefixtures("_quiet_folder")
@pytest.mark.parametrize("array", ["x", "y", "lengths"])
def test_nothing_is_unpickled(array: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"x": np.zeros((4, 2)), "y": np.arange(4)}
    arrays[array] = np.array([Harm()] * 4, object)
    np.savez(tmp_path / "a.npz", allow_pickle=True, **arrays)
    with pytest.raises(UserError, match=r"a.npz: holds pickled objects, which could run anything"):
        sequences.read(tmp_path / "a.npz")
    written(tmp_path / "b.npz", pickle.dumps(Harm()))
    with pytest.raises(UserError, match=r"b.npz: holds pickled objects"):
        sequences.read(tmp_path / "b.npz")
    assert not (tmp_path / "harmed").exists()


HEADS = {
    "a terabyte": claimed("(1000, 1000, 1000000)"),
    "more than a machine can count": claimed(f"({10**30},)"),
    "less than nothing": claimed("(-4, -4)"),
    "nothing of nothing": claimed(f"({10**12},)", "'<U0'"),
    "one too many": claimed("(17,)"),
    "one too few": claimed("(15,)"),
    "a call": claimed("__import__('os').getcwd()"),
    "no end": claimed("((((16,"),
    "a list": claimed("[16]"),
    "another version": b"\x93NUMPY\x03\x00" + claimed("(16,)")[8:],
    "no head": b"\x93NUM",
    "plain bytes": b"16 numbers",
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_arrays_are_compared_with_what_is_there(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", {"x.npy": HEADS[name], "y.npy": npy(np.arange(4))})
    with pytest.raises(UserError, match=r"a.npz: .*damaged|a.npz: .*no plain array"):
        untrusted.read_npz(path)


def test_a_sound_head_is_read(tmp_path: Path) -> None:
    """What the tests above spoil is the head alone."""
    found = untrusted.read_npz(zipped(tmp_path / "a.npz", {"x.npy": claimed("(4, 4)")}))
    assert found["x"].shape == (4, 4)
    assert untrusted.read_npz(tmp_path / "a.npz", ("y",)) == {}


def test_zip_files_that_unpack_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.npz", {"x.npy": npy(np.zeros(1_000_000))})
    assert untrusted.read_npz(path)["x"].shape == (1_000_000,)
    monkeypatch.setattr(untrusted, "_ALWAYS", 1_000)
    with pytest.raises(UserError, match=r"a.npz: unpacks to 200 times its size"):
        untrusted.read_npz(path)


def test_other_zip_files_than_numpys(tmp_path: Path) -> None:
    array = {"x.npy": npy(np.zeros(9))}
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = zipped(tmp_path / "a.npz", array, packing)
        with pytest.raises(UserError, match=r"x.npy is not packed as np.savez"):
            untrusted.read_npz(path)
    data = bytearray(zipped(tmp_path / "a.npz", array).read_bytes())
    place = data.index(b"PK\x01\x02")
    data[6], data[place + 8] = data[6] | 1, data[place + 8] | 1  # as if it were encrypted
    with pytest.raises(UserError, match=r"b.npz: no .npz file, or a damaged one: .*encrypted"):
        untrusted.read_npz(written(tmp_path / "b.npz", bytes(data)))
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = bytearray(zipped(tmp_path / "a.npz", array, packing).read_bytes())
        data[data.index(b"PK\x01\x02") + 16] ^= 1  # its checksum
        with pytest.raises(UserError, match=r"b.npz: no .npz file, or a damaged one: Bad CRC-32"):
            untrusted.read_npz(written(tmp_path / "b.npz", bytes(data)))
    data = (
        zipped(tmp_path / "a.npz", {**array, "y.npy": array["x.npy"]})
        .read_bytes()
        .replace(b"y.npy", b"x.npy")
    )
    written(tmp_path / "c.npz", data)
    with pytest.raises(UserError, match=r"c.npz: damaged: has two arrays of one name"):
        untrusted.read_npz(tmp_path / "c.npz")


def resident() -> int:
    """The memory that this process has at the moment, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_what_is_packed_ends_where_its_head_says(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    images_of_noise = np.random.default_rng(0).integers(256, size=(2, 3, 4)).astype(np.uint8)
    path = written(tmp_path / "a", pack(idx(images_of_noise)))
    np.testing.assert_array_equal(images.read_images(path, 3, 4), images_of_noise)
    head = struct.pack(">HBB3I", 0, 8, 3, 1 << 20, 1 << 10, 1 << 10)
    with pytest.raises(UserError, match=r"a: truncated: 24 bytes of images, its head says 1,099,511,627,776"):
        images.read_images(written(path, pack(head + images_of_noise.tobytes())), None, None)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to look at memory")
def test_gzip_files_that_unpack_without_end(tmp_path: Path) -> None:
    packer, parts = zlib.compressobj(9, wbits=31), []
    parts.append(packer.compress(struct.pack(">HBB3I", 0, 8, 3, 1 << 10, 1 << 10, 1 << 20)))
    parts += [packer.compress(bytes(1 << 24)) for _ in range(20)]
    path = written(tmp_path / "a.gz", b"".join([*parts, packer.flush()]))
    assert path.stat().st_size < 1 << 20
    before = resident()
    with pytest.raises(UserError, match=r"a.gz: unpacks to more than 268,435,456 bytes, 200 times its size"):
        images.read_images(path, None, None)
    assert resident() - before < 350


def archive_of(path: Path, *members: tuple[str, bytes, int, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, size, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, size, "/etc/passwd"
            archive.addfile(member, io.BytesIO(content) if content else None)
    return path


MEMBERS = {
    "a link": ("a/1.txt", tarfile.SYMTYPE, 0, b""),
    "a hard link": ("a/1.txt", tarfile.LNKTYPE, 0, b""),
    "a device": ("a/1.txt", tarfile.CHRTYPE, 0, b""),
    "a disk": ("a/1.txt", tarfile.BLKTYPE, 0, b""),
    "a pipe": ("a/1.txt", tarfile.FIFOTYPE, 0, b""),
    "an absolute name": ("/a/1.txt", tarfile.REGTYPE, 1, b"x"),
    "a name that leads out": ("a/../../1.txt", tarfile.REGTYPE, 1, b"x"),
    "a folder that leads out": ("..", tarfile.DIRTYPE, 0, b""),
    "too large": ("a/1.txt", tarfile.REGTYPE, 100, b"x" * 100),
    "much too large": ("a/1.txt", tarfile.REGTYPE, 1 << 40, b""),
    "not wanted, and without end": ("a/1.bin", tarfile.REGTYPE, 1 << 40, b""),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_members_of_archives_are_checked(name: str, tmp_path: Path) -> None:
    sound = ("a/0.txt", tarfile.REGTYPE, 5, b"sound")
    folder = ("a", tarfile.DIRTYPE, 0, b"")
    path = archive_of(tmp_path / "a.tar.gz", folder, sound)
    assert list(untrusted.read_tar(path, lambda name: name.endswith(".txt"), 99)) == [("a/0.txt", b"sound")]
    path = archive_of(tmp_path / "a.tar.gz", folder, sound, MEMBERS[name])
    with pytest.raises(UserError, match=r"a.tar.gz: "):
        list(untrusted.read_tar(path, lambda name: name.endswith(".txt"), 99))


def test_an_archive_with_a_name_of_a_gigabyte(tmp_path: Path) -> None:
    """Such a name tarfile would read whole."""
    path = archive_of(tmp_path / "a.tar.gz", ("x", tarfile.XHDTYPE, 1 << 30, b""))
    with pytest.raises(UserError, match=r"a.tar.gz: damaged: a part of it claims to be of 1,073,74"):
        list(untrusted.read_tar(path, lambda name: True, 99))


@pytest.mark.parametrize("through", ["a file", "a folder"])
def test_links_out_of_a_folder_of_pictures_are_not_followed(through: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "pictures", tmp_path / "outside" / "b"
    for place in (folder / "a", folder / "b" if through == "a file" else folder, outside):
        for number in range(10):
            place.mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 3), number).save(place / f"{number}.png")
    if through == "a file":
        (folder / "b" / "z.png").symlink_to(outside / "0.png")
    else:
        (folder / "b").symlink_to(outside)
    keys: dict[str, Any] = {"name": "image_folder", "batch_size": 2, "data_dir": str(tmp_path / "data")}
    with pytest.raises(UserError, match=r"\.png: leads out of .*pictures; nothing outside is read"):
        datasets.build(folder=str(folder), **keys)
    (folder / "b" / "z.png" if through == "a file" else folder / "b").unlink()
    (tmp_path / "another").symlink_to(tmp_path / "pictures")  # what a person names may be a link
    if through == "a file":
        (folder / "b" / "z.png").symlink_to(folder / "a" / "0.png")  # inside
        assert sum(datasets.build(folder=str(tmp_path / "another"), **keys).counts.values()) == 21


def test_links_out_of_a_folder_of_idx_files_are_not_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "idx")
    path = tmp_path / "idx" / labels_name("test")
    path.symlink_to(path.rename(tmp_path / "outside.gz"))
    with pytest.raises(UserError, match=r"t10k-labels.*: leads out of .*idx"):
        datasets.build(name="idx", batch_size=2, folder=str(tmp_path / "idx"))


def test_a_label_that_was_never_trained_on(tmp_path: Path) -> None:
    write_files(tmp_path / "idx")
    (tmp_path / "idx" / labels_name("test")).write_bytes(idx(np.array([0, 1, 2, 9, 0, 1])))
    with pytest.raises(UserError, match=r"t10k-labels.*: label 3 is 9, which no training image has"):
        datasets.build(name="idx", batch_size=2, folder=str(tmp_path / "idx"))


def test_links_out_of_a_run_folder_are_not_followed(tmp_path: Path) -> None:
    vocabulary.characters(["abc"]).save(tmp_path / "outside.json", "1")
    assert vocabulary.load(tmp_path / "outside.json").tokens == ("a", "b", "c")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "vocabulary.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(UserError, match=r"run/vocabulary.json: leads out of .*run"):
        vocabulary.load(tmp_path / "run" / "vocabulary.json")


JSON = {
    "lists in lists": '{"unit": ' + "[" * 100_000,
    "a token twice": '{"unit": "character", "tokens": ["a", "b", "a"]}',
    "half a character": '{"unit": "character", "tokens": ["a", "\\ud800"]}',
    "tokens of bytes": '{"unit": "byte", "tokens": 0}',
    "tokens of pieces": '{"unit": "piece", "tokens": 5, "pieces": "{}"}',
}


@pytest.mark.parametrize("name", JSON)
def test_no_vocabularies(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "vocabulary.json", JSON[name].encode())
    with pytest.raises(UserError, match=r"vocabulary.json: damaged, no v"):
        vocabulary.load(path)


PIECES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no model": lambda said: said.pop("model"),
    "another model": lambda said: said["model"].update(type="WordLevel"),
    "another pre-tokenizer": lambda said: said.update(pre_tokenizer={"type": "Whitespace"}),
    "more tokens": lambda said: said.update(added_tokens=[{"id": 9_999, "content": "x"}]),
    "a gap": lambda said: said["model"]["vocab"].update(the=9_999),
    "a number twice": lambda said: said["model"]["vocab"].update(the=3),
    "a byte without a number": lambda said: said["model"]["vocab"].pop("!"),
    "merges of nothing": lambda said: said["model"].update(merges=[["q", "@@"]]),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces_are_as_they_are_learned(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    known = vocabulary.pieces(iter(["the cat sat on the mat"] * 9), 270)
    known.save(tmp_path / "vocabulary.json", "1")
    assert vocabulary.load(tmp_path / "vocabulary.json") == known
    said = json.loads(known.pieces or "")
    PIECES[name](said)
    vocabulary.Vocabulary("piece", pieces=json.dumps(said)).save(tmp_path / "vocabulary.json", "1")
    with pytest.raises(UserError, match=r"vocabulary.json: damaged, no pieces: "):
        vocabulary.load(tmp_path / "vocabulary.json")


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("side", [9_460, 13_500, 1 << 20])  # Pillow warns of more, refuses still more
def test_pictures_that_unpack_without_end(side: int, tmp_path: Path) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")
    with pytest.raises(UserError, match=rf"a.png: of {side:,}x{side:,} pixels, more than 89,478,485"):
        pictures.read(written(tmp_path / "a.png", content))


def test_every_flipped_bit_of_a_png_file_is_noticed(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(256, size=(5, 4)).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    sound = (tmp_path / "a.png").read_bytes()
    for place in range(len(sound)):
        spoilt = bytearray(sound)
        spoilt[place] ^= 1 << place % 8
        with pytest.raises(UserError, match=r"b.png: "):
            pictures.read(written(tmp_path / "b.png", bytes(spoilt)))
    for end in range(len(sound)):
        with pytest.raises(UserError, match=r"b.png: "):
            pictures.read(written(tmp_path / "b.png", sound[:end]))


def test_notes_in_pictures_are_not_warned_of(tmp_path: Path) -> None:
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
def test_lengths_beyond_what_is_there(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((8, 2)), lengths=LENGTHS[name])
    with pytest.raises(UserError, match=r"a.npz: row \d of lengths is \d[\d,]*, and x has 8 steps"):
        sequences.read(tmp_path / "a.npz", needs_answers=False)


ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no steps": ({"x": np.zeros(0), "lengths": np.zeros(0, int), "y": np.zeros(0)}, r"x is float64 \[0\]"),
    "no features": ({"x": np.zeros((8, 0)), "lengths": [4, 4], "y": [0, 1]}, r"x is float64 \[8, 0\]"),
    "nothing to tell": ({"x": np.zeros((2, 3)), "y": np.zeros((2, 0))}, "should have numbers to tell"),
    "too large to tell": ({"x": np.zeros((2, 3)), "y": np.array([1.0, 1e300])}, "row 1 of y: not a finite"),
    "no code points": (
        {"x": np.zeros((2, 3)), "y": np.array([65, 0x110000], np.uint32).view("<U1")},
        "the labels in y are no texts",
    ),
    "half a character": (
        {"x": np.zeros((2, 3)), "y": np.array([65, 0xD800], np.uint32).view("<U1")},
        "the labels in y are no texts",
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_nothing_and_too_much(name: str, tmp_path: Path) -> None:
    arrays, message = ARRAYS[name]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=rf"a.npz: .*{message}"):
        sequences.read(tmp_path / "a.npz")


def load_text(path: Path, encoding: str, tokens: str = "words") -> Any:
    return datasets.build(
        name="text",
        batch_size=2,
        file=str(path),
        tokens=tokens,
        encoding=encoding,
        data_dir=str(path.parent / "data"),
    )


def test_halves_of_characters(tmp_path: Path) -> None:
    """Some encodings decode to what is no text."""
    path = written(tmp_path / "a.tsv", b"0\t+2AA-\n1\tb\n" * 20)
    with pytest.raises(UserError, match=r"a.tsv: not utf-7: .*surrogates not allowed; dataset.encoding says"):
        load_text(path, "utf-7")
    keys = {"label_column": "1", "text_column": "2", "has_header": False, "encoding": "utf-7"}
    for tokens in ("words", "bytes"):
        with pytest.raises(UserError, match=r"a.tsv: not utf-7: .*surrogates not allowed"):
            datasets.build(
                name="labelled_text",
                batch_size=2,
                file=str(path),
                tokens=tokens,
                kept_end="last",
                data_dir=str(tmp_path),
                **keys,
            )


@pytest.mark.parametrize("encoding", ["nonsense", "utf-8\0", "hex"])
def test_no_encodings(encoding: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"the cat\n" * 30)
    with pytest.raises(UserError, match=r"dataset.encoding = .*: no such encoding of text"):
        load_text(path, encoding)
    written(path, b"caf\xe9\n")
    with pytest.raises(UserError, match=r"a.txt: neither UTF-8 nor"):
        list(inputs.read_texts([str(path)], vocabulary.characters(["cafe"]), encoding))


def test_lines_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_LONGEST_LINE", 1_000)
    path = written(tmp_path / "a.txt", b"a" * 2_000)
    with pytest.raises(UserError, match=r"a.txt: a line of more than 1,000 bytes"):
        list(inputs.read_texts([str(path)], vocabulary.characters(["a"]), "utf-8"))


KEPT: dict[str, Callable[[Path], Any]] = {
    "a file less": lambda folder: (folder / "test.tokens").unlink(),
    "a file more": lambda folder: (folder / "more").write_bytes(b""),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a name that leads out": lambda folder: (folder / "manifest.json").write_text('{"../../../a.txt": "0"}'),
    "a link": lambda folder: (folder / "test.tokens").symlink_to(
        (folder / "test.tokens").rename(folder.parents[2] / "tokens")
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_was_kept_is_verified_as_a_whole(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"the cat\n" * 30)
    load_text(path, "utf-8")
    (folder,) = (tmp_path / "data" / "rnn_jax_text").iterdir()
    KEPT[name](folder)
    with pytest.raises(UserError, match=rf"{folder.name}.*(damaged|cannot be read|leads out of)"):
        load_text(path, "utf-8")


def test_prepared_data_names_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TFDS imports the modules that features.json names."""
    monkeypatch.syspath_prepend(tmp_path)
    written(tmp_path / "harmful.py", b"raise SystemExit('harmed')")
    said = {"pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict"}
    within = {"pythonClassName": "harmful.Feature"}
    content = json.dumps({**said, "featuresDict": {"features": {"text": within}}}).encode()
    written(tmp_path / "own" / "1.0.0" / "features.json", content)
    with pytest.raises(UserError, match=r"features.json: damaged: 'harmful.Feature' is none of TFDS's"):
        builder.check_features(tmp_path / "own" / "1.0.0")
    with pytest.raises(UserError, match=r"features.json: damaged: 'harmful.Feature' is none of TFDS's"):
        datasets.build(name="tfds:own", batch_size=2, data_dir=str(tmp_path))
    assert "harmful" not in sys.modules


@pytest.mark.parametrize("name", ["kaggle:some/thing", "../own", "own/../../other", "/etc"])
def test_names_of_tfds(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"should be a name of TFDS's own"):
        datasets.build(name=f"tfds:{name}", batch_size=2, data_dir=str(tmp_path))


SPEC = images.spec_of(4, 3, 2)
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
def test_arrays_are_what_is_said_of_them(name: str) -> None:
    spec, splits, key, value = DAMAGED[name]
    specs.check_arrays(Loaded("1", spec, splits, classes=("a", "b")), "here")
    changed = {"train": {**splits["train"], key: value}}
    with pytest.raises(UserError, match=r"here: damaged: .* in train"):
        specs.check_arrays(Loaded("1", spec, changed, classes=("a", "b")), "here")


def test_downloads_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_url: str) -> None:
    """A server may send what it likes, for as long as it likes."""
    from rnn_jax.datasets import download
    from rnn_jax.datasets.sources import Source

    class Endless:
        status_code = 200

        def iter_content(self, size: int) -> Any:
            while True:
                yield bytes(size)

        def __enter__(self) -> "Endless":
            return self

        def __exit__(self, *error: object) -> None:
            return None

    monkeypatch.setattr(download, "_MOST_BYTES", 3 << 20)
    monkeypatch.setattr(download, "_contact", lambda url: Endless())
    source = Source("some", "1.0.0", "", closed_url, {"a.gz": "0" * 64}, {}, lambda files: {})
    with pytest.raises(UserError, match=r"a.gz is not the original file \(over 3,145,728 bytes\)"):
        download.fetch(source, tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []


def test_an_image_file_that_is_none(tmp_path: Path) -> None:
    write_files(tmp_path / "idx")
    (tmp_path / "idx" / images_name("test")).unlink()
    os.mkfifo(tmp_path / "idx" / images_name("test"))  # reading would wait for ever
    with pytest.raises(UserError, match=r"has no t10k-images-idx3-ubyte.gz"):
        datasets.build(name="idx", batch_size=2, folder=str(tmp_path / "idx"))
