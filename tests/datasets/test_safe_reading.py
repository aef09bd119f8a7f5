"""Safe reading: no pickles, no names out of an archive, limits on decompressed sizes."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import idx

from rnn_jax.datasets import archives
from rnn_jax.datasets.idx import read_idx
from rnn_jax.datasets.user_files.sequences import read_sequences
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
    with pytest.raises(UserError, match=r"a.npz: contains pickled objects, which could run any code"):
        read_sequences(tmp_path / "a.npz")
    written(tmp_path / "b.npz", pickle.dumps(Harm()))
    with pytest.raises(UserError, match=r"b.npz: contains pickled objects"):
        read_sequences(tmp_path / "b.npz")
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
def test_array_headers_must_match_the_contents(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", {"x.npy": HEADS[name], "y.npy": npy(np.arange(4))})
    with pytest.raises(UserError, match=r"a.npz: .*damaged|a.npz: x.npy has format 3.0: must be"):
        archives.read_npz(path)


def test_a_sound_head_is_read(tmp_path: Path) -> None:
    """What the tests above spoil is the head alone."""
    found = archives.read_npz(zipped(tmp_path / "a.npz", {"x.npy": claimed("(4, 4)")}))
    assert found["x"].shape == (4, 4)
    assert archives.read_npz(tmp_path / "a.npz", ("y",)) == {}


def test_zip_files_that_unpack_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.npz", {"x.npy": npy(np.zeros(1_000_000))})
    assert archives.read_npz(path)["x"].shape == (1_000_000,)
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 1_000)
    with pytest.raises(UserError, match=r"a.npz: decompresses to more than 200 times its size"):
        archives.read_npz(path)


def test_other_zip_files_than_numpys(tmp_path: Path) -> None:
    array = {"x.npy": npy(np.zeros(9))}
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = zipped(tmp_path / "a.npz", array, packing)
        with pytest.raises(UserError, match=r"x.npy is not compressed as by np.savez"):
            archives.read_npz(path)
    data = bytearray(zipped(tmp_path / "a.npz", array).read_bytes())
    place = data.index(b"PK\x01\x02")
    data[6], data[place + 8] = data[6] | 1, data[place + 8] | 1  # as if it were encrypted
    with pytest.raises(UserError, match=r"b.npz: not an .npz file, or damaged: .*encrypted"):
        archives.read_npz(written(tmp_path / "b.npz", bytes(data)))
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = bytearray(zipped(tmp_path / "a.npz", array, packing).read_bytes())
        data[data.index(b"PK\x01\x02") + 16] ^= 1  # its checksum
        with pytest.raises(UserError, match=r"b.npz: not an .npz file, or damaged: Bad CRC-32"):
            archives.read_npz(written(tmp_path / "b.npz", bytes(data)))
    data = (
        zipped(tmp_path / "a.npz", {**array, "y.npy": array["x.npy"]})
        .read_bytes()
        .replace(b"y.npy", b"x.npy")
    )
    written(tmp_path / "c.npz", data)
    with pytest.raises(UserError, match=r"c.npz: damaged: two arrays have the same name"):
        archives.read_npz(tmp_path / "c.npz")


def resident() -> int:
    """The memory that this process has at the moment, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_compressed_idx_files_must_match_their_header(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    images_of_noise = np.random.default_rng(0).integers(256, size=(2, 3, 4)).astype(np.uint8)
    path = written(tmp_path / "a", pack(idx(images_of_noise)))
    np.testing.assert_array_equal(read_idx(path, "images"), images_of_noise)
    head = struct.pack(">HBB3I", 0, 8, 3, 1 << 20, 1 << 10, 1 << 10)
    with pytest.raises(UserError, match=r"a: truncated: 24 bytes of images: the header claims 1,099,511,6"):
        read_idx(written(path, pack(head + images_of_noise.tobytes())), "images")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to look at memory")
def test_gzip_files_that_unpack_without_end(tmp_path: Path) -> None:
    header = struct.pack(">HBB3I", 0, 8, 3, 1 << 10, 1 << 10, 1 << 20)
    path = written(tmp_path / "a.gz", gzip.compress(header) + 20 * gzip.compress(bytes(1 << 24)))
    assert path.stat().st_size < 1 << 20
    before = resident()
    with pytest.raises(UserError, match=r"a.gz: decompresses to more than 268,435,456 bytes, 200 times"):
        read_idx(path, "images")
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
    assert list(archives.read_tar(path, lambda name: name.endswith(".txt"), 99)) == [("a/0.txt", b"sound")]
    path = archive_of(tmp_path / "a.tar.gz", folder, sound, MEMBERS[name])
    with pytest.raises(UserError, match=r"a.tar.gz: "):
        list(archives.read_tar(path, lambda name: name.endswith(".txt"), 99))


def test_an_archive_with_a_name_of_a_gigabyte(tmp_path: Path) -> None:
    """Such a name tarfile would read whole."""
    path = archive_of(tmp_path / "a.tar.gz", ("x", tarfile.XHDTYPE, 1 << 30, b""))
    with pytest.raises(UserError, match=r"a.tar.gz: damaged: an entry claims 1,073,74"):
        list(archives.read_tar(path, lambda name: True, 99))


def test_downloads_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_url: str) -> None:
    """A server may send what it likes, for as long as it likes."""
    from rnn_jax.datasets.published import sources
    from rnn_jax.datasets.published.sources import Source

    class Endless:
        status_code = 200

        def iter_content(self, size: int) -> Any:
            while True:
                yield bytes(size)

        def __enter__(self) -> "Endless":
            return self

        def __exit__(self, *error: object) -> None:
            return None

    monkeypatch.setattr(sources, "_MAX_BYTES", 3 << 20)
    monkeypatch.setattr(sources, "_connect", lambda url: Endless())
    source = Source("some", "1.0.0", "", closed_url, {"a.gz": "0" * 64}, {}, lambda files: {})
    with pytest.raises(UserError, match=r"a.gz is not the original file \(over 3,145,728 bytes\)"):
        sources.fetch(source, tmp_path / "downloads")
    assert list((tmp_path / "downloads").iterdir()) == []
