"""The kind of an input file or folder, by its contents and its suffix, and the data sets that read it.

Training, evaluation and `predict` use the same kinds, so that a file of another kind is an error that says
what the file is, and which `dataset.name` reads it.
"""

import os
import zipfile
from pathlib import Path
from typing import NamedTuple

from rnn_jax.datasets.text_encodings import certain_encoding
from rnn_jax.runtime.errors import UserError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif")
READS = {  # what each data set of a user's own files reads
    "image_folder": "a folder of PNG or JPEG pictures for each class",
    "idx": "a folder of four IDX files with MNIST's names",
    "sequences": "an .npz file of x, y and lengths, as np.savez writes it (see docs/data.md)",
    "labelled_text": "a table of labelled texts (.tsv or .csv)",
    "text": "a text file",
}
_START_BYTES = 4096
_SYSTEM_NAMES = ("Thumbs.db", "desktop.ini", "System Volume Information", "lost+found", "__pycache__")


class FileKind(NamedTuple):
    """What a file or folder is."""

    name: str  # with its article, for messages: "a PNG picture"
    datasets: tuple[str, ...] = ()  # the `dataset.name` that read it, the most likely first
    remedy: str = ""  # what makes it readable


_UNPACK, _AS_PNG, _AS_TABLE = "decompress it", "convert it to PNG", "save it as .csv in UTF-8"
_AS_NPZ = "save its arrays with np.savez"
_PICTURE = ("image_folder",)
PICTURES = {  # the kinds that are read, by their first bytes
    b"\x89PNG\r\n\x1a\n": FileKind("a PNG picture", _PICTURE),
    b"\xff\xd8\xff": FileKind("a JPEG picture", _PICTURE),
}
_OTHER_PICTURES = {
    b"GIF8": FileKind("a GIF picture", (), _AS_PNG),
    b"BM": FileKind("a BMP picture", (), _AS_PNG),
    b"II*\0": FileKind("a TIFF picture", (), _AS_PNG),
    b"MM\0*": FileKind("a TIFF picture", (), _AS_PNG),
    b"\0\0\0\x0cjP  ": FileKind("a JPEG 2000 picture", (), _AS_PNG),
    b"8BPS": FileKind("a Photoshop picture", (), _AS_PNG),
}
_OTHERS = {
    b"\x93NUMPY": FileKind("an .npy array", (), _AS_NPZ),
    b"\x89HDF\r\n\x1a\n": FileKind("an HDF5 file", (), _AS_NPZ),
    b"MATLAB 5.0": FileKind("a MATLAB file", (), _AS_NPZ),
    b"PAR1": FileKind("a Parquet file", (), _AS_TABLE),
    b"ARROW1": FileKind("an Arrow file", (), _AS_TABLE),
    b"SQLite format 3\0": FileKind("an SQLite database", (), _AS_TABLE),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": FileKind("an Office document (.xls or .doc)", (), _AS_TABLE),
    b"%PDF": FileKind("a PDF document"),
    b"\x1f\x8b": FileKind("a gzip-compressed file", ("idx",), _UNPACK),
    b"BZh": FileKind("a bzip2-compressed file", ("idx",), _UNPACK),
    b"\xfd7zXZ\0": FileKind("an xz-compressed file", ("idx",), _UNPACK),
    b"\x28\xb5\x2f\xfd": FileKind("a zstd-compressed file", (), _UNPACK),
    b"7z\xbc\xaf\x27\x1c": FileKind("a 7z archive", (), "unpack it"),
    b"Rar!\x1a\x07": FileKind("a RAR archive", (), "unpack it"),
    b"OggS": FileKind("a sound file"),
    b"ID3": FileKind("a sound file"),
    b"fLaC": FileKind("a sound file"),
}
_MAGIC = PICTURES | _OTHER_PICTURES | _OTHERS
_ISO_MEDIA = {b"avif": "an AVIF picture", b"heic": "a HEIC picture", b"heix": "a HEIC picture"}
_RIFF = {b"WEBP": FileKind("a WebP picture", (), _AS_PNG), b"WAVE": FileKind("a sound file")}
_ZIP_MEMBERS = (  # of the first that occurs
    ("xl/", FileKind("an Excel workbook", (), _AS_TABLE)),
    ("word/", FileKind("a Word document", (), "save it as plain text")),
    ("content.xml", FileKind("an OpenDocument file", (), _AS_TABLE)),
    ("data.pkl", FileKind("a PyTorch file", (), _AS_NPZ)),
)
_NPZ, _TEXT = FileKind("an .npz file", ("sequences",)), FileKind("a text", ("text", "labelled_text"))
_TABLE_SUFFIXES, _JSON_SUFFIXES = (".csv", ".tsv", ".tab"), (".json", ".jsonl", ".ndjson")
_MARKED_TEXTS = (  # by the start of the first line that is no comment
    ("@relation", FileKind("an ARFF file", ("text",), _AS_NPZ)),
    ("@problemname", FileKind("a .ts file of time series", ("text",), "convert it, as docs/data.md shows")),
    ("<!doctype html", FileKind("a web page", ("text",))),
    ("<html", FileKind("a web page", ("text",))),
)


def kind_of(path: Path) -> FileKind:
    """Return the kind of a file or folder; raise UserError if it cannot be read."""
    try:
        if path.is_dir():
            return _folder_kind(path)
        if not path.is_file():
            return FileKind("neither a file nor a folder" if path.exists() else "no such file")
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    return _binary_kind(path, start) or _text_kind(path, start)


def require_kind(path: Path, dataset: str, origin: str | None = None) -> None:
    """Raise UserError if a file or folder is of a kind that the data set does not read.

    `origin` is a name of the file for the message, such as its config key; None: the path.
    """
    kind = kind_of(path)
    if dataset not in kind.datasets:
        problem = f"{path if origin is None else origin}: is {kind.name}"
        raise UserError(f"{problem}: dataset.name = {dataset} reads {READS[dataset]}{remedy_for(kind)}")


def remedy_for(kind: FileKind) -> str:
    """Return the end of a message: the data set that reads such a file, or what makes it readable."""
    if kind.datasets:
        return f"; dataset.name = {kind.datasets[0]} reads {READS[kind.datasets[0]]}"
    return f"; {kind.remedy}" if kind.remedy else ""


def _folder_kind(path: Path) -> FileKind:
    if any("idx3-ubyte" in name or "idx1-ubyte" in name for name in os.listdir(path)):
        return FileKind("a folder of IDX files", ("idx",))
    if _has_pictures(path, levels=3):
        return FileKind("a folder of pictures", _PICTURE)
    return FileKind("a folder", ("image_folder", "idx"))


def _has_pictures(folder: Path, levels: int) -> bool:
    with os.scandir(folder) as entries:
        found = sorted(
            (entry for entry in entries if not is_hidden(entry.name)), key=lambda entry: entry.name
        )
    if any(entry.name.lower().endswith(PICTURE_SUFFIXES) for entry in found):
        return True
    folders = [Path(entry.path) for entry in found if levels > 1 and entry.is_dir()]
    return any(_has_pictures(inner, levels - 1) for inner in folders)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or belongs to a system or a program: not a user's data."""
    return name.startswith((".", "@eaDir", "$RECYCLE.BIN", "__MACOSX")) or name in _SYSTEM_NAMES


def _binary_kind(path: Path, start: bytes) -> FileKind | None:
    """Return the kind of a file by its first bytes; None if it is a text."""
    is_text = _is_utf8(start)
    for magic, kind in _MAGIC.items():
        if start.startswith(magic) and not (is_text and magic.isascii()):
            return kind
    if start.startswith(b"PK\x03\x04") or start.startswith(b"PK\x05\x06"):
        return _zip_kind(path)
    if start.startswith(b"RIFF") and start[8:12] in _RIFF:
        return _RIFF[start[8:12]]
    if start[4:8] == b"ftyp":
        return FileKind(_ISO_MEDIA.get(start[8:12], "a film"), (), _AS_PNG)
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return FileKind("a Python pickle", (), _AS_NPZ)
    if start[257:262] == b"ustar":
        return FileKind("a tar archive", (), "unpack it")
    if (start[:2] == b"\0\0" and b"\x08" <= start[2:3] <= b"\x0e") or start[1:4] == b"\x08\0\0":
        return FileKind("an IDX file", ("idx",))
    if b"\0" in start and certain_encoding(start) is None:
        return FileKind("a binary file of an unknown format")
    return None


def _zip_kind(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # zipfile raises errors of any type for damaged files; the reader describes the damage
        names = []
    for member, kind in _ZIP_MEMBERS:
        if any(name.startswith(member) or name.endswith(f"/{member}") for name in names):
            return kind
    if path.suffix.lower() == ".npz" or any(name.endswith(".npy") for name in names):
        return _NPZ
    return FileKind("a ZIP archive", (), "unpack it")


def _is_utf8(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a text in UTF-8, whose last character may be cut."""
    text = start.decode("utf-8", "replace")
    return "\0" not in text and "\ufffd" not in text[:-1]


def _text_kind(path: Path, start: bytes) -> FileKind:
    suffix = path.suffix.lower()
    lines = [line.strip() for line in start.decode("utf-8-sig", "replace").lower().splitlines()]
    first = next((line for line in lines if line and not line.startswith(("#", "%"))), "")
    for beginning, kind in _MARKED_TEXTS:
        if first.startswith(beginning):
            return kind
    if suffix in _JSON_SUFFIXES:
        return FileKind("a JSON file", ("text",), "save it as .tsv, or its arrays with np.savez")
    if suffix in _TABLE_SUFFIXES:
        return FileKind(f"a table ({suffix})", ("labelled_text", "text"))
    return _TEXT if start else FileKind("an empty file", ("text", "labelled_text"))
