"""Compressed files, tar archives and `.npz` files, read within limits (see `safe_reading.py`)."""

import bz2
import contextlib
import gzip
import lzma
import math
import os
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from rnn_jax.datasets.safe_reading import reading
from rnn_jax.runtime.errors import UserError

MAX_EXPANSION = 200  # of the size by decompression; deflate can reach 1,032, honest data stay below 20
ALWAYS_ALLOWED = 1 << 28  # decompressed bytes that any file may have
_MAX_READ = 1 << 24  # bytes of one read: tarfile would read a member name of a terabyte
_BLOCK = 1 << 20
_PICKLED = "contains pickled objects, which could run any code; save plain arrays"


def size_limit(compressed: int) -> int:
    """Return the number of bytes that a file of `compressed` bytes may decompress to."""
    return max(ALWAYS_ALLOWED, MAX_EXPANSION * compressed)


class Decompressed:
    """The contents of a file, decompressed as they are read; raises UserError beyond the size limit."""

    def __init__(self, path: Path, stream: Any, compressed: int, compression: str) -> None:
        """Read `stream`, the decompressed contents of a file of `compressed` bytes."""
        self._path, self._stream, self._compression = path, stream, compression
        self._limit = size_limit(compressed)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read `size` bytes, fewer at the end."""
        if size is None or not 0 <= size <= _MAX_READ:
            raise UserError(f"{self._path}: damaged: an entry claims {size or 0:,} bytes")
        try:
            data = self._stream.read(size)
        except EOFError as error:
            raise UserError(f"{self._path}: truncated: the {self._compression} stream has no end") from error
        self._check_limit(self._stream.tell())
        return data

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        assert whence == os.SEEK_SET
        self._check_limit(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    def read_up_to(self, count: int) -> tuple[bytes, int]:
        """Read at most `count` bytes; return them and the number of bytes that follow."""
        parts, left = [], count
        while left > 0 and (block := self.read(min(left, _BLOCK))):
            parts.append(block)
            left -= len(block)
        surplus = 0
        while block := self.read(_BLOCK):
            surplus += len(block)
        return b"".join(parts), surplus

    def _check_limit(self, position: int) -> None:
        if position > self._limit:
            problem = f"decompresses to more than {self._limit:,} bytes, {MAX_EXPANSION} times its size"
            raise UserError(f"{self._path}: {problem}; decompress it yourself if it is right")


_COMPRESSIONS: dict[bytes, tuple[str, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
}


@contextlib.contextmanager
def open_compressed(path: Path) -> Iterator[Decompressed]:
    """Open a file that is compressed by gzip, bzip2 or xz, or not at all."""
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        found = (each for magic, each in _COMPRESSIONS.items() if start.startswith(magic))
        name, decompress = next(found, ("plain", contextlib.nullcontext))
        with decompress(file) as stream:
            yield Decompressed(path, stream, os.fstat(file.fileno()).st_size, name)


def read_tar(path: Path, selected: Callable[[str], bool], max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the selected files of a tar archive, compressed or not.

    No file is written, so no name can do harm. An archive with a name that leads out of it is still an error,
    since nobody should unpack it, as are members other than files and folders, and selected files of more
    than `max_bytes`.
    """
    with open_compressed(path) as stream, tarfile.TarFile(fileobj=cast(Any, stream)) as archive:
        for member in archive:
            name = f"{member.name[:99]!r}"
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                raise UserError(f"{path}: not read: {name} is neither a file nor a folder")
            if member.name.startswith("/") or ".." in member.name.split("/") or "\0" in member.name:
                raise UserError(f"{path}: not read: {name} leads out of the archive")
            if not (member.isfile() and selected(member.name)):
                continue
            if member.size > max_bytes:
                raise UserError(f"{path}: damaged: {name} has {member.size:,} bytes: at most {max_bytes:,}")
            file = archive.extractfile(member)
            assert file is not None
            yield member.name, file.read()


def read_npz(
    path: Path, names: Collection[str] | None = None, plain: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` file, or those of the given names that it contains.

    Before memory is allocated, UserError is raised if headers and contents differ, or objects are pickled;
    `plain` ends the latter error, by the name of the array.
    """
    with reading(path, "not an .npz file, or damaged"), path.open("rb") as file:
        start = file.read(8)
        if start.startswith(b"\x93NUMPY"):
            raise UserError(f"{path}: an .npy file: must be an .npz file; save it with np.savez")
        if start.startswith(b"\x80"):  # the first byte of a pickle
            raise UserError(f"{path}: {_PICKLED}")
        with zipfile.ZipFile(file) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise UserError(f"{path}: damaged: two arrays have the same name")
            wanted = {name: member for name, member in members.items() if names is None or name in names}
            size = os.fstat(file.fileno()).st_size
            if sum(member.file_size for member in wanted.values()) > size_limit(size):
                problem = f"decompresses to more than {MAX_EXPANSION} times its size"
                raise UserError(f"{path}: {problem}; save it by np.savez")
            remedies = plain or {}
            return {
                name: _read_array(path, archive, member, remedies.get(name, ""))
                for name, member in wanted.items()
            }


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays of an `.npz` file, in their order."""
    with reading(path, "not an .npz file, or damaged"), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _read_array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, plain: str) -> np.ndarray:
    name = member.filename
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"{path}: {name} is not compressed as by np.savez_compressed")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise UserError(f"{path}: {name} has format {version[0]}.{version[1]}: must be 1.0 or 2.0")
        first = version == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if dtype.hasobject:
            raise UserError(f"{path}: {_PICKLED}{plain}")
        claimed, actual = math.prod(shape) * dtype.itemsize, member.file_size - stream.tell()
        if claimed != actual or any(size < 0 for size in shape) or not dtype.itemsize:
            problem = f"the header of {name} claims {claimed:,} bytes, but {actual:,} follow"
            raise UserError(f"{path}: damaged: {problem}")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
