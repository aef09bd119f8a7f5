"""The layout of a folder of pictures: its splits, its classes, and what is not used.

A class is a folder; pictures in folders inside it belong to it, too. Classes are in the folder itself, or in
a folder for each split. Hidden files and folders, and those of systems (`__MACOSX`), are never used. Whatever
else is not used is in a note, and a folder whose meaning is unclear is an error.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rnn_jax.datasets.file_kinds import PICTURE_SUFFIXES, is_hidden, kind_of
from rnn_jax.datasets.safe_reading import require_inside
from rnn_jax.runtime.errors import UserError, list_names, shorten

_SPLITS = {  # by the name of a folder, in lower case and without `_set` and the like
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("eval", "evaluation"), "eval"),  # validation or test
}
_SUFFIX_OF_SPLITS = re.compile(r"[ _-]?(set|data|split|images)$")
_NEEDED = "must contain a folder of PNG or JPEG files for each class"
_MAX_LISTED = 5


class Picture(NamedTuple):
    """A file of a picture and its class."""

    path: Path
    label: str


class Layout(NamedTuple):
    """The pictures of a folder by split, in the order of their file names, and what is not used."""

    splits: dict[str, list[Picture]]
    notes: tuple[str, ...]


@dataclass
class _Folder:
    """What a folder contains; hidden files and folders count alone."""

    path: Path
    pictures: list[Path] = field(default_factory=list)
    folders: dict[str, "_Folder"] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)  # the number of other files by kind
    hidden: int = 0  # the number of hidden pictures

    def walk(self) -> Iterator["_Folder"]:
        yield self
        for inner in self.folders.values():
            yield from inner.walk()

    @property
    def all_pictures(self) -> list[Path]:
        return [path for each in self.walk() for path in each.pictures]

    @property
    def all_others(self) -> Counter[str]:
        return sum((each.others for each in self.walk()), Counter())

    @property
    def with_pictures(self) -> dict[str, "_Folder"]:
        return {name: inner for name, inner in self.folders.items() if inner.all_pictures}


def find_pictures(place: Path, *, follow_links: bool) -> Layout:
    """Return the pictures of each split of a folder; raise UserError if the layout is unclear.

    A link out of the folder is an error unless `follow_links`.
    """
    root = _scan(place, place, follow_links, frozenset())
    if not root.all_pictures:
        raise UserError(f"{place}: {_NEEDED}{_has_only(root)}")
    named = _split_folders(root)
    notes, splits = [], {}
    for split, folder in named.items():
        splits[split] = _find_classes(folder, notes)
        if folder is not root and folder.path.name != split:
            notes.append(f"the folder {_list([folder.path.name])} is {split}")
    if root not in named.values():
        notes += _not_used(root, [folder.path.name for folder in named.values()])
    others, hidden = root.all_others, sum(folder.hidden for folder in root.walk())
    notes += [f"{_count(number, kind)} not used" for kind, number in sorted(others.items())]
    notes += [f"{_count(hidden, 'hidden picture')} not used"] if hidden else []
    return Layout(splits, tuple(notes))


def _scan(path: Path, place: Path, follow_links: bool, above: frozenset[Path]) -> _Folder:
    folder, above = _Folder(path), above | {path.resolve()}
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    for name in names:
        inner = path / name
        if is_hidden(name):
            folder.hidden += _count_hidden(inner)
            continue
        if inner.is_symlink() and not follow_links:
            require_inside(place, inner, "dataset.follow_links")
        if inner.is_dir():
            if inner.resolve() in above:
                folder.others["link to a folder that contains it"] += 1
            else:
                folder.folders[name] = _scan(inner, place, follow_links, above)
        elif (kind := _kind(inner)) is None:
            folder.pictures.append(inner)
        else:
            folder.others[kind] += 1
    return folder


def _count_hidden(path: Path) -> int:
    """Return the number of pictures in a hidden folder, without the companions that macOS adds to files."""
    if path.name == "__MACOSX" or path.is_symlink():
        return 0
    names = [name for _, _, names in os.walk(path) for name in names] if path.is_dir() else [path.name]
    return sum(name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith("._") for name in names)


def _kind(path: Path) -> str | None:
    """Return the kind of a file that is not used; None for a picture."""
    if path.is_symlink() and not path.exists():
        return "broken link"
    if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file():
        return None
    try:
        kind = kind_of(path)
    except UserError:  # not readable
        return "other file"
    if "image_folder" in kind.datasets:
        return None
    return kind.name.partition(" ")[2] if kind.name.endswith(" picture") else "other file"


def _split_folders(root: _Folder) -> dict[str, _Folder]:
    """Return the folder of each split; {"train": root} if the folders of `root` are classes."""
    named: dict[str, list[_Folder]] = {}
    for name, folder in root.folders.items():
        if (split := _SPLITS.get(_SUFFIX_OF_SPLITS.sub("", name.lower()))) is not None:
            named.setdefault(split, []).append(folder)
    own = [folder for folders in named.values() for folder in folders]
    flat = [folder for folder in own if not folder.with_pictures]
    if len(flat) == len(own):
        full = [folder.path.name for folder in flat if folder.pictures]
        if full and (len(full) > 1 or full == list(root.with_pictures)):
            raise UserError(f"{root.path}: has splits ({_list(full)}) without classes: each {_NEEDED}")
        return {"train": root}  # one of several classes may have the name of a split
    if flat:
        raise UserError(
            f"{flat[0].path}: {_NEEDED}, as its neighbours; move it elsewhere if it has no labels"
        )
    for split, folders in named.items():
        if len(folders) > 1:
            found = " and ".join(folder.path.name for folder in folders)
            raise UserError(f"{root.path}: has two folders for {split}, {found}: must have one; join them")
    return _order_splits(root, {split: folder for split, (folder,) in named.items()})


def _order_splits(root: _Folder, found: dict[str, _Folder]) -> dict[str, _Folder]:
    """Return the folders of train, validation and test; `eval` is for test if there is validation alone."""
    if "eval" in found:
        if "test" in found or "validation" not in found:
            folder = found["eval"].path
            raise UserError(f"{folder}: may be for validation or test: rename it validation or test")
        found["test"] = found.pop("eval")
    if "train" not in found:
        raise UserError(f"{root.path}: has {_list(list(root.folders))}, but no folder train")
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def _find_classes(folder: _Folder, notes: list[str]) -> list[Picture]:
    """Return the pictures of a folder with a folder for each class; append to the notes."""
    found: list[Picture] = []
    labels = set[str]()
    for name, inner in folder.folders.items():
        pictures = inner.all_pictures
        if not pictures:
            remedy = "convert its pictures to PNG" if inner.all_others else "add pictures"
            raise UserError(
                f"{inner.path}: the class {_class_name(name)!r} has no PNG or JPEG file{_has_only(inner)}; "
                f"{remedy}, or remove the folder"
            )
        label = _class_name(name)
        if label in labels:
            raise UserError(f"{folder.path}: has two folders of the same name, {label!r}: must have one")
        labels.add(label)
        found += [Picture(path, label) for path in pictures]
        if inside := len(pictures) - len(inner.pictures):
            listed = _list(list(inner.with_pictures))
            notes.append(
                f"{_count(inside, 'picture')} of the class {shorten(label)} in folders inside it ({listed})"
            )
    if not found:
        raise UserError(f"{folder.path}: {_NEEDED}{_has_only(folder)}")
    _check_nesting(folder)
    if folder.pictures:
        notes.append(f"{_count(len(folder.pictures), 'picture')} beside the class folders not used")
    return sorted(found, key=lambda picture: (picture.path.name, picture.label, str(picture.path)))


def _check_nesting(folder: _Folder) -> None:
    """Raise UserError if the folders inside a folder look like splits or data sets rather than classes."""
    inner = {
        name: set(each.with_pictures) for name, each in folder.with_pictures.items() if not each.pictures
    }
    if len(folder.with_pictures) == 1 and inner:
        (name,) = inner
        problem = f"has one folder with pictures, {_list([name])}, which contains folders"
        raise UserError(f"{folder.path}: {problem}; set --config.dataset.folder={folder.path / name}")
    times = Counter(each for own in inner.values() for each in own)
    shared = sorted(name for name, number in times.items() if number > 1)
    if shared:
        problem = f"its folders {_list(list(inner))} contain the same folders ({_list(shared)})"
        remedy = "name splits train, validation and test, or put the pictures of a class into its folder"
        raise UserError(f"{folder.path}: {problem}; {remedy}")


def _not_used(root: _Folder, used: list[str]) -> list[str]:
    """Return notes of the pictures beside the folders of splits."""
    notes = []
    for name, folder in root.with_pictures.items():
        if name not in used:
            classes = len(folder.with_pictures)
            inside = f" in {_count(classes, 'folder')}" if classes else ""
            pictures = _count(len(folder.all_pictures), "picture")
            notes.append(f"{pictures}{inside} of {_list([name])} not used, which is no split")
    if root.pictures:
        notes.append(f"{_count(len(root.pictures), 'picture')} beside the folders of splits not used")
    return notes


def _class_name(folder: str) -> str:
    """Return the name of a folder as Unicode, composed; bytes that are not UTF-8 become `\\xNN`."""
    return unicodedata.normalize("NFC", os.fsencode(folder).decode("utf-8", "backslashreplace"))


def _has_only(folder: _Folder) -> str:
    """Return the part of a message that counts what a folder contains."""
    counts = Counter({"picture": len(folder.all_pictures), **folder.all_others})
    counts["hidden picture"] = sum(each.hidden for each in folder.walk())
    found = [_count(number, kind) for kind, number in sorted(counts.items()) if number]
    return f"; has only {', '.join(found)}" if found else "; it is empty"


def _count(number: int, kind: str) -> str:
    return f"{number:,} {kind}{'' if number == 1 else 's'}"


def _list(names: list[str]) -> str:
    return list_names(map(_class_name, names), _MAX_LISTED)
