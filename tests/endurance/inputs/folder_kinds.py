"""Small folders of pictures, as users and programs arrange them."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from image_kinds import picture, predict_picture
from kind import Changes, Files, Kind, build, first_of

PICTURES = [picture(number, "png") for number in range(8)]
NAMES = (
    ".ipynb_checkpoints",
    "__MACOSX",
    "@eaDir",
    ".DS_Store",
    "Thumbs.db",
    "._0.png",
    "0.webp",
    "0.PNG",
    "0.jpg",
    "readme.txt",
    "train",
    "Training_Set",
    "val",
    "valid",
    "dev",
    "eval",
    "test",
    "cat",
    "cafe\u0301",
    "caf\u00e9",
    "caf\udce9",
    "$10_$20",
    " ",
    "a\nb",
    "-",
    "x" * 200,
)


def _in(*folders: str) -> dict[str, bytes]:
    """Return eight pictures in each folder."""
    return {f"{folder}/{number}.png": data for folder in folders for number, data in enumerate(PICTURES)}


def _is_possible(files: Files) -> bool:
    """Whether no file has the name of a folder of another, and every name fits into a message."""
    folders = {str(parent) for name in files for parent in Path(name).parents}
    return not folders & set(files) and bool(files) and all(map(_is_short, files))


def _is_short(name: str) -> bool:
    return len(name) < 500 and name.count("\n") < 2


def _arranged(files: Files, number: int) -> Files:
    """Rename, move, copy or remove some files and folders."""
    generator = random.Random(number)
    for _ in range(generator.randint(1, 4)):
        name = generator.choice(sorted(files))
        parts = name.split("/")
        level = generator.randrange(len(parts))
        old, new = "/".join(parts[: level + 1]), "/".join([*parts[:level], generator.choice(NAMES)])
        how = generator.randrange(6)
        moved = {f"{new}{each[len(old) :]}": each for each in files if f"{each}/".startswith(f"{old}/")}
        kept = {each: data for each, data in files.items() if how == 1 or each not in moved.values()}
        added = {each: files[origin] for each, origin in moved.items()}
        if how == 2:
            added = {f"{new}/{each}": files[each] for each in moved.values()}
        elif how == 3:
            added = {}
        elif how == 4:
            added = {f"{new}/": b""}
        elif how == 5:
            added = {
                each: generator.choice((b"", b"RIFF\0\0\0\0WEBPVP8 ", data, b"a text\n", PICTURES[0]))
                for each, data in added.items()
            }
        if _is_possible(changed := {**kept, **added}):
            files = changed
    return files


LAYOUTS = {
    "classes": _in("cat", "dog"),
    "hidden ones": {
        **_in("cat", "dog", ".ipynb_checkpoints", "__MACOSX/cat"),
        "cat/._0.png": b"\0\5\x16\7",
        ".DS_Store": b"\0",
    },
    "nested": {**_in("cat/small", "cat/large", "dog")},
    "train, dev": _in("train/cat", "train/dog", "dev/cat", "dev/dog"),
    "train_set, val, eval": _in(
        "train_set/cat", "train_set/dog", "val/cat", "val/dog", "eval/cat", "eval/dog"
    ),
    "names": {
        **_in("$10_$20", "caf\udce9", "cafe\u0301", "train"),
        "labels.csv": b"label\n",
        "0.png": PICTURES[0],
    },
    "16 bits": {
        f"{label}/{number}.png": picture(number, "png", "I;16")
        for label in ("cat", "dog")
        for number in range(8)
    },
    "alpha": {
        f"{label}/{number}.png": picture(number, "png", mode)
        for label, mode in (("cat", "LA"), ("dog", "P"))
        for number in range(8)
    },
    "PNG and JPEG": {**_in("cat"), **{f"dog/{number}.jpg": picture(number, "jpeg") for number in range(8)}},
}


def _added(*folders: str, **others: bytes) -> Callable[[Files, int], Files]:
    return lambda files, number: {**_in("cat", "dog"), **_in(*folders), **others}


WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0"
WRONG: Changes = {
    "an empty class": lambda files, number: {**_in("cat", "dog"), "bird/": b""},
    "a class of WebP": lambda files, number: {
        **_in("cat", "dog"),
        **{f"bird/{n}.webp": WEBP for n in range(8)},
    },
    "a class of hidden pictures": _added("bird/.thumbnails"),
    "validation twice": lambda files, number: _in(
        *(f"{split}/{label}" for split in ("train", "val", "dev") for label in ("cat", "dog"))
    ),
    "no train": lambda files, number: _in("test/cat", "test/dog", "val/cat", "val/dog"),
    "eval without validation": lambda files, number: _in("train/cat", "train/dog", "eval/cat", "eval/dog"),
    "splits without classes": lambda files, number: _in("train", "test"),
    "a foreign class in test": lambda files, number: _in("train/cat", "train/dog", "test/cat", "test/bird"),
    "8 and 16 bits": lambda files, number: {
        **_in("cat"),
        **{f"dog/{n}.png": picture(n, "png", "I;16") for n in range(8)},
    },
    "one class": lambda files, number: _in("cat"),
    "one folder too many": lambda files, number: _in("pictures/cat", "pictures/dog"),
    "pictures alone": lambda files, number: {f"{n}.png": data for n, data in enumerate(PICTURES)},
    "nothing": lambda files, number: {"cat/": b"", "dog/": b""},
}


def _read(folder: Path) -> Any:
    return build("image_folder", folder, folder=str(folder))


def kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    found = {}
    for name, files in LAYOUTS.items():
        predict = predict_picture(first_of(files), 255 if name == "16 bits" else None)
        wrong: Changes = WRONG if name == "classes" else {}
        other: Changes = {"arranged": _arranged, "arranged otherwise": _arranged}
        found[f"folder, {name}"] = Kind(files, _read, wrong=wrong, other=other, predict=predict)
    return found
