"""What is used of a folder of pictures: its splits, its classes, and notes of the rest."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from rnn_jax.datasets.user_files.picture_folders import find_pictures
from rnn_jax.runtime.errors import UserError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return an empty folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def write(folder: Path, **counts: int) -> Path:
    """Write pictures into folders named `a__b` for a/b, and as WebP into those that end with _webp."""
    for name, count in counts.items():
        inner, ending = (name.removesuffix("_webp"), "webp") if name.endswith("_webp") else (name, "png")
        place = folder / inner.replace("__", "/")
        place.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("L", (4, 3), number).save(place / f"{number}.{ending}")
    return folder


def found(folder: Path, *, follow_links: bool = False) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Return the number of pictures of each class in each split, and the notes."""
    layout = find_pictures(folder, follow_links=follow_links)
    counts = {split: Counter(picture.label for picture in own) for split, own in layout.splits.items()}
    return {split: dict(own) for split, own in counts.items()}, list(layout.notes)


PLAIN = {"a": 3, "b": 2}
SPLIT = {"train__a": 3, "train__b": 2}


def test_hidden_folders_and_companions_are_no_classes(place: Path) -> None:
    write(place, **PLAIN, **{".ipynb_checkpoints": 4, "a__.thumbs": 1})
    (place / "__MACOSX").mkdir()
    for path in list((place / "a").glob("*.png")):  # written by macOS
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")
        (place / "__MACOSX" / path.name).write_bytes(b"\0\5\26\7")
    (place / "Thumbs.db").write_bytes(b"")
    counts, notes = found(place)
    assert counts["train"] == PLAIN
    assert notes == ["5 hidden pictures not used"]


def test_pictures_in_folders_inside_a_class_folder(place: Path) -> None:
    counts, notes = found(write(place, a__x=3, a__y__z=2, b=4))
    assert counts == {"train": {"a": 5, "b": 4}}
    assert notes == ["5 pictures of the class a in folders inside it (x, y)"]


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "dev"), ("train", "validation")),
        (("Training_Set", "Test_Set"), ("train", "test")),
        (("train", "valid", "test"), ("train", "validation", "test")),
        (("train", "dev", "eval"), ("train", "validation", "test")),
    ],
)
def test_folders_of_splits(names: tuple[str, ...], splits: tuple[str, ...], place: Path) -> None:
    write(place, **{f"{name}__{label}": count for name in names for label, count in PLAIN.items()})
    counts, notes = found(place)
    assert counts == dict.fromkeys(splits, PLAIN)
    renamed = [
        f"the folder {name} is {split}" for name, split in zip(names, splits, strict=True) if name != split
    ]
    assert notes == renamed


def test_what_is_not_used_is_counted(place: Path) -> None:
    write(place, **SPLIT, extra__c=2, extra__d=1, train__a_webp=7, loose=0)
    write(place / "train", **{".": 2})
    write(place, **{".": 1})
    (place / "train" / "a" / "notes.txt").write_text("no picture")
    (place / "train" / "a" / "x.png").symlink_to("missing.png")
    os.mkfifo(place / "train" / "b" / "fifo.png")
    counts, notes = found(place)
    assert counts == {"train": PLAIN}
    assert notes == [
        "2 pictures beside the class folders not used",
        "3 pictures in 2 folders of extra not used, which is no split",
        "1 picture beside the folders of splits not used",
        "7 WebP pictures not used",
        "1 broken link not used",
        "2 other files not used",
    ]


def test_the_contents_decide_where_the_suffix_does_not(place: Path) -> None:
    write(place, **PLAIN)
    (place / "a" / "0.png").rename(place / "a" / "zero")
    (place / "a" / "1.png").rename(place / "a" / "1.JPE")
    assert found(place) == ({"train": PLAIN}, [])


def test_one_of_several_classes_may_be_called_train(place: Path) -> None:
    assert found(write(place, train=3, bus=2, car=1)) == ({"train": {"bus": 2, "car": 1, "train": 3}}, [])


WRONG: dict[str, tuple[dict[str, int], str]] = {
    "WebP alone": (
        {**PLAIN, "c_webp": 6},
        r"/c: the class 'c' has no PNG or JPEG file; has only 6 WebP pictures; convert its",
    ),
    "no picture": ({**PLAIN, "c": 0}, r"/c: the class 'c' has no PNG or JPEG file; it is empty; add"),
    "no class": ({".": 4}, r"must contain a folder of PNG or JPEG files for each class; has only 4 pictures"),
    "nothing": ({}, r"must contain a folder of PNG or JPEG files for each class; it is empty"),
    "two of validation": (
        {**SPLIT, "val__a": 1, "valid__a": 1},
        r"has two folders for validation, val and valid: must have one",
    ),
    "eval alone": ({**SPLIT, "eval__a": 1}, r"/eval: may be for validation or test: rename it"),
    "eval and test": ({**SPLIT, "eval__a": 1, "test__a": 1}, r"/eval: may be for validation or test"),
    "no train": ({"val__a": 1, "test__a": 1}, r"has test, val, but no folder train"),
    "test without classes": (
        {**SPLIT, "test": 5},
        r"/test: must contain a folder of PNG or JPEG files for each class, as its neighbours",
    ),
    "no classes": ({"train": 5, "test": 5}, r"has splits \(test, train\) without classes: each must contain"),
    "train alone": ({"train": 5}, r"has splits \(train\) without classes: each must contain"),
    "splits of other names": (
        {"first__a": 1, "first__b": 1, "second__a": 1, "second__b": 1},
        r"its folders first, second contain the same folders \(a, b\); name splits train",
    ),
    "one level too high": ({"data__a": 1, "data__b": 1}, r"one folder with pictures, data.*folder=.*/data$"),
}


@pytest.mark.parametrize("case", WRONG)
def test_unclear_folders_are_an_error(case: str, place: Path) -> None:
    counts, message = WRONG[case]
    with pytest.raises(UserError, match=message):
        find_pictures(write(place, **counts), follow_links=False)


def test_links_out_of_the_folder_need_a_key(place: Path) -> None:
    write(place, inside__a=3, outside=2)
    (place / "inside" / "b").symlink_to(place / "outside")
    with pytest.raises(UserError, match=r"/b: leads out of .*, or set --config.dataset.follow_links=True"):
        find_pictures(place / "inside", follow_links=False)
    assert found(place / "inside", follow_links=True) == ({"train": PLAIN}, [])


def test_a_link_to_a_folder_that_contains_it_is_not_followed(place: Path) -> None:
    (write(place, **PLAIN) / "a" / "loop").symlink_to(place)
    assert found(place) == ({"train": PLAIN}, ["1 link to a folder that contains it not used"])


def test_names_that_are_not_utf_8_or_not_composed(place: Path) -> None:
    composed = unicodedata.normalize("NFC", "café")
    write(place, a=1)
    for name in (b"caf\x82", unicodedata.normalize("NFD", composed).encode()):  # in code page 437; of macOS
        path = Path(os.fsdecode(os.path.join(os.fsencode(place), name)))
        path.mkdir()
        Image.new("L", (4, 3)).save(path / os.fsdecode(b"\x82.png"))
    counts, _ = found(place)
    assert counts == {"train": {"a": 1, "caf\\x82": 1, composed: 1}}
    (place / composed).mkdir()
    Image.new("L", (4, 3)).save(place / composed / "1.png")
    with pytest.raises(UserError, match=f"two folders of the same name, '{composed}'"):
        find_pictures(place, follow_links=False)


def test_names_with_line_ends_are_one_line_of_a_message(place: Path) -> None:
    write(place, **{"a\nb__c": 2, "a\nb__d": 2})
    with pytest.raises(UserError) as caught:
        find_pictures(place, follow_links=False)
    assert str(caught.value).replace(str(place / "a\nb"), "PATH").count("\n") == 0
    write(place, **{"e\nf__g": 2, "h": 1})
    assert [note.count("\n") for note in found(place)[1]] == [0, 0]
