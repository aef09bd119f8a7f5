"""How files that come from elsewhere are read: as data, and no further than they can be trusted.

Data sets, archives and what a run folder keeps may be damaged, or made to do harm. So nothing here unpickles,
follows a name out of a folder, or keeps more than a file can honestly hold; and whatever a library makes of
what it cannot read is an error for people, which names the file.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import math
import os
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rnn_jax.runtime import files
from rnn_jax.runtime.errors import UserError

_EXPANSION = 200
"""What is packed may become so many times as large. Deflate reaches 1,032; data to learn from, below 20."""
_ALWAYS = 1 << 28
"""Bytes that any file may become."""
_AT_ONCE = 1 << 24
"""Bytes that are asked of a packed stream at a time, at most: a name of a terabyte is no name."""
_BLOCK = 1 << 20
_LARGEST_JSON = 1 << 28


def inside(folder: Path, path: Path) -> Path:
    """The path, where it leads to nothing outside the folder.

    Raises:
        UserError: it does, by a link or by `..`.
    """
    if path.resolve().is_relative_to(folder.resolve()):
        return path
    raise UserError(f"{path}: leads out of {folder}; nothing outside is read: put the file itself there")


@contextlib.contextmanager
def reading(path: Path, problem: str = "damaged") -> Iterator[None]:
    """Turns what a library raises while it reads a file into an error for people.

    Only calls of such a library belong inside: of damaged files they raise what they like.

    Args:
        path: the file, to be shown.
        problem: what it then is.

    Raises:
        UserError: the file cannot be read, or is damaged.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        raise UserError(f"{path}: {problem}: {_said(error)}") from error
    except Exception as error:
        raise UserError(f"{path}: {problem}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """One line, and not a long one."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= 200 else f"{said[:199]}…"


def read_json(file: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        UserError: it cannot be read, holds something else, or is a link to elsewhere.
    """
    inside(file.parent, file)
    with reading(file, "damaged, no valid JSON"):
        if file.stat().st_size > _LARGEST_JSON:
            raise UserError(f"{file}: damaged: {file.stat().st_size:,} bytes")
        return files.read_json(file)


class Unpacked(io.BufferedIOBase):
    """A stream that is unpacked as it is read, and refuses to become larger than what is packed can be."""

    def __init__(self, path: Path, stream: Any, packed: int, packing: str) -> None:
        """The contents `stream` of a file of `packed` bytes."""
        super().__init__()
        self._path, self._stream, self._most, self._packing = path, stream, allowed(packed), packing

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, fewer at the end; raises UserError where it becomes too large."""
        if size is None or not 0 <= size <= _AT_ONCE:
            raise UserError(f"{self._path}: damaged: a part of it claims to be of {size or 0:,} bytes")
        try:
            data = self._stream.read(size)
        except EOFError as error:
            raise UserError(f"{self._path}: truncated: its {self._packing} stream has no end") from error
        self._check(self._stream.tell())
        return data

    def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
        """Goes to a place; raises UserError where that is too far."""
        assert whence == os.SEEK_SET
        self._check(place)
        return self._stream.seek(place)

    def tell(self) -> int:
        """The place."""
        return self._stream.tell()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def read_up_to(self, count: int) -> tuple[bytes, int]:
        """The next `count` bytes, fewer where there are no more, and how many come after them."""
        parts, left = [], count
        while left > 0 and (block := self.read(min(left, _BLOCK))):
            parts.append(block)
            left -= len(block)
        surplus = 0
        while block := self.read(_BLOCK):
            surplus += len(block)
        return b"".join(parts), surplus

    def _check(self, place: int) -> None:
        if place > self._most:
            raise UserError(
                f"{self._path}: unpacks to more than {self._most:,} bytes, {_EXPANSION} times its size; "
                "unpack it yourself if that is as it should be"
            )


def allowed(packed: int) -> int:
    """How many bytes a file of `packed` bytes may become."""
    return max(_ALWAYS, _EXPANSION * packed)


_PACKINGS: dict[bytes, tuple[str, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
}


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """Opens a file that is packed by gzip, bzip2 or xz, or not at all.

    Raises:
        UserError: it cannot be read, or becomes too large.
    """
    with path.open("rb") as file:
        begins = file.read(8)
        file.seek(0)
        plain = ("plain", contextlib.nullcontext)
        name, packing = next((of for magic, of in _PACKINGS.items() if begins.startswith(magic)), plain)
        with packing(file) as stream:
            yield Unpacked(path, stream, os.fstat(file.fileno()).st_size, name)


def read_tar(path: Path, wanted: Callable[[str], bool], largest: int) -> Iterator[tuple[str, bytes]]:
    """The files in a tar archive, packed or not, that are wanted: their names and contents.

    Nothing is written anywhere, so that no name can do harm; an archive whose names lead elsewhere is refused
    all the same, since nobody should unpack it.

    Args:
        path: the archive.
        wanted: whether a file of that name is.
        largest: bytes of one of them at most.

    Raises:
        UserError: the archive cannot be read, holds anything but files and folders, a name that leads out of
            it, or a wanted file that is larger.
    """
    with unpacked(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            check_member(path, member)
            if not (member.isfile() and wanted(member.name)):
                continue
            if member.size > largest:
                raise UserError(f"{path}: damaged: {member.name[:99]} is of {member.size:,} bytes")
            file = archive.extractfile(member)
            assert file is not None
            yield member.name, file.read()


def check_member(archive: Path, member: tarfile.TarInfo) -> None:
    """Raises UserError for a member that is no file or folder, or whose name leads out of the archive."""
    name = f"{member.name[:99]!r}"
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        raise UserError(f"{archive}: has {name}, which is neither a file nor a folder; it is not read")
    if member.name.startswith("/") or ".." in member.name.split("/") or "\0" in member.name:
        raise UserError(f"{archive}: has {name}, which leads out of it; it is not read")


def read_npz(path: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays in an `.npz` file, or those of these names that it has.

    What a head claims is compared with what is there before anything is made room for.

    Raises:
        UserError: it cannot be read, is no such file, is damaged, or holds pickled objects.
    """
    problem = "no .npz file, or a damaged one"
    with reading(path, problem), path.open("rb") as file:
        begins = file.read(8)
        if begins.startswith(b"\x93NUMPY"):
            raise UserError(f"{path}: one array, should be an .npz file")
        if begins.startswith(b"\x80"):  # as pickles do
            raise _pickled(path)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            found = {member.filename.removesuffix(".npy"): member for member in members}
            if len(found) < len(members):
                raise UserError(f"{path}: damaged: has two arrays of one name")
            wanted = {name: member for name, member in found.items() if names is None or name in names}
            size = os.fstat(file.fileno()).st_size
            if sum(member.file_size for member in wanted.values()) > allowed(size):
                raise UserError(f"{path}: unpacks to {_EXPANSION} times its size; np.savez does not pack it")
            return {name: _array(path, archive, member) for name, member in wanted.items()}


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    name = member.filename
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"{path}: {name} is not packed as np.savez and np.savez_compressed do")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise UserError(f"{path}: {name} is of version {version[0]}.{version[1]}, no plain array")
        first = version == (1, 0)
        read_head = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_head(stream)
        if dtype.hasobject:
            raise _pickled(path)
        claimed, there = math.prod(shape) * dtype.itemsize, member.file_size - stream.tell()
        if claimed != there or any(size < 0 for size in shape) or not dtype.itemsize:
            raise UserError(
                f"{path}: damaged: the head of {name} says {claimed:,} bytes, and there are {there:,}"
            )
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)


def _pickled(path: Path) -> UserError:
    return UserError(
        f"{path}: holds pickled objects, which could run anything; save plain arrays (see the README)"
    )


def text_of(data: bytes, origin: Path) -> str:
    """UTF-8 as text; raises UserError where it is not."""
    with reading(origin, "damaged, not UTF-8"):
        return data.decode()
