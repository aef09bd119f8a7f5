"""The kind of an input file or folder, and the errors for files of another kind."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rnn_jax import datasets
from rnn_jax.datasets.file_kinds import READS, kind_of, require_kind
from rnn_jax.runtime.errors import UserError


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name in names:
            written.writestr(name, "content")
    return file.getvalue()


def picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (4, 3), 9).save(file, form)
    return file.getvalue()


def saved(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as written:
        written.addfile(tarfile.TarInfo("a"))
    return file.getvalue()


CASES = {  # the name of a file: its content, its kind, and the data sets that read it
    "a.png": (picture("png"), "a PNG picture", ["image_folder"]),
    "b.txt": (picture("jpeg"), "a JPEG picture", ["image_folder"]),
    "c.png": (picture("webp"), "a WebP picture", []),
    "d.tiff": (picture("tiff"), "a TIFF picture", []),
    "e.bmp": (picture("bmp"), "a BMP picture", []),
    "f.gif": (picture("gif"), "a GIF picture", []),
    "g.npz": (saved(x=np.zeros(3)), "an .npz file", ["sequences"]),
    "h": (saved(x=np.zeros(3)), "an .npz file", ["sequences"]),
    "i.csv": (archive("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", []),
    "j.zip": (archive("train/a/1.png"), "a ZIP archive", []),
    "k.npz": (b"\x80\x04K\x01.", "a Python pickle", []),
    "l.tar": (tar(), "a tar archive", []),
    "m": (b"\0\0\x08\x03" + bytes(12), "an IDX file", ["idx"]),
    "n.csv": (b"label,text\n1,good\n", "a table (.csv)", ["labelled_text", "text"]),
    "o.txt": ("é".encode("latin-1") * 9, "a text", ["text", "labelled_text"]),
    "p.txt": (b"", "an empty file", ["text", "labelled_text"]),
    "q.txt": (("a text\n" * 9).encode("utf-16-le"), "a text", ["text", "labelled_text"]),
    "r.txt": (("текст\n" * 9).encode("utf-16"), "a text", ["text", "labelled_text"]),
    "s.ts": (b"#comment\n@problemName A\n@data\n1,2:a\n", "a .ts file of time series", ["text"]),
    "t.arff": (b"% comment\n@RELATION A\n", "an ARFF file", ["text"]),
    "u.csv": (b"<!DOCTYPE html><html>", "a web page", ["text"]),
    "v.jsonl": (b'{"label": 1}\n', "a JSON file", ["text"]),
    "w.txt": (b"BMW drives, ID3 tags", "a text", ["text", "labelled_text"]),
    "x.bin": (bytes(range(256)) * 9, "a binary file of an unknown format", []),
    "y.txt": (b"ID3 is an algorithm of Quinlan's", "a text", ["text", "labelled_text"]),
    "aa.txt": (b"a find\0print0\0list of\0files\0\0" * 9, "a binary file of an unknown format", []),
    "ac.txt": (b"\x89PNG nothing\0", "a binary file of an unknown format", []),
    "ab.txt": ("電影\n一\n".encode("utf-16-be") * 9, "a text", ["text", "labelled_text"]),
    "z.txt": (("a" * 4095 + "é").encode(), "a text", ["text", "labelled_text"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_kind_of_a_file(name: str, tmp_path: Path) -> None:
    content, kind, readers = CASES[name]
    (tmp_path / name).write_bytes(content)
    found = kind_of(tmp_path / name)
    assert (found.name, list(found.datasets)) == (kind, readers)
    for dataset in READS:
        if dataset in readers:
            require_kind(tmp_path / name, dataset)
        else:
            with pytest.raises(UserError, match=rf"{name}: is {kind[:6]}.*dataset.name = {dataset} reads "):
                require_kind(tmp_path / name, dataset)


def test_the_kind_of_a_folder(tmp_path: Path) -> None:
    for name, file in (
        ("a", "train-images-idx3-ubyte.gz"),
        ("b", "one/1.png"),
        ("c", "1.JPG"),
        ("d", "e/.1.png"),
    ):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).write_bytes(b"")
    names = {name: kind_of(tmp_path / name).name for name in "abcd"}
    pictures = "a folder of pictures"
    assert names == {"a": "a folder of IDX files", "b": pictures, "c": pictures, "d": "a folder"}


@pytest.mark.parametrize(
    ("dataset", "name", "content", "message"),
    [
        (
            "sequences",
            "a.csv",
            b"1,2\n3,4\n",
            r"a.csv: is a table \(.csv\): dataset.name = sequences reads an .npz",
        ),
        (
            "sequences",
            "a.csv",
            b"1,2\n3,4\n",
            r"; dataset.name = labelled_text reads a table of labelled texts",
        ),
        ("sequences", "a.ts", CASES["s.ts"][0], r"a.ts: is a .ts file of time series: .* reads an .npz file"),
        ("sequences", "c.npz", b"", r"c.npz: is an empty file: .* reads an .npz file"),
        (
            "labelled_text",
            "a.csv",
            CASES["i.csv"][0],
            r"a.csv: is an Excel workbook: .*; save it as .csv in UTF-8",
        ),
        (
            "labelled_text",
            "a.npz",
            CASES["g.npz"][0],
            r"an .npz file: .*; dataset.name = sequences reads an .npz",
        ),
        (
            "text",
            "a.txt",
            picture("png"),
            r"a.txt: is a PNG picture: .*; dataset.name = image_folder reads a folder",
        ),
        (
            "text",
            "a.txt",
            None,
            r"dataset.file = .*a.txt: is not a file but a folder of pictures; dataset.name = image_folder",
        ),
    ],
)
def test_a_file_of_another_kind_is_an_error(
    dataset: str, name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is None:
        path.mkdir()
        (path / "1.png").write_bytes(picture("png"))
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        datasets.build_dataset(name=dataset, batch_size=2, file=str(path), **KEYS[dataset])


KEYS: dict[str, dict[str, Any]] = {
    "sequences": {"truncate": "keep_first"},
    "text": {"tokenizer": "words", "encoding": "utf-8"},
    "labelled_text": {
        "tokenizer": "words",
        "encoding": "utf-8",
        "truncate": "keep_first",
        "label_column": "label",
        "text_column": "text",
        "has_header": True,
    },
}


def test_the_tokenizer_bytes_reads_any_file(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(picture("png") * 9)
    found = datasets.build_dataset(
        name="text",
        batch_size=2,
        file=str(tmp_path / "a.bin"),
        tokenizer="bytes",
        encoding="utf-8",
        data_dir=str(tmp_path / "data"),
    )
    assert sum(found.counts.values()) == 9 * len(picture("png"))
