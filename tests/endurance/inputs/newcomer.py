"""Wrong commands of a newcomer: misspelt, in the wrong order, with the wrong kind of file or folder.

Each is a tuple of the fields of `wrong_commands.Wrong`.
"""

from typing import Any

COMMANDS = ("main", "sweep", "predict", "generate", "report", "draw")
WITH_RUN = ("predict", "generate", "draw")
DIGITS = ("--config", "digits:smoke")
GRID = (*DIGITS, "--grid", "optimizer.clip_norm=1,2")
Case = tuple[Any, ...]


def misspelt() -> list[Case]:
    """Return flags and names of commands that resemble others, and values that shells pass unchanged."""
    found: list[Case] = []
    for command in COMMANDS:
        needed = ("--workdir", "{at}/digits") if command in WITH_RUN else ()
        for flag in ("--versoin", "--hlep", "-V", "--wrokdir=x", "--conifg=digits", "--Workdir=x", "--—help"):
            found.append((command, (*needed, flag), flag.partition("=")[0]))
        for word in ("—help", "help", "?", "*.txt", "\udce9", "{at}/nowhere"):
            if command in ("main", "sweep"):
                found.append((command, (*needed, word), word.replace("\udce9", "not a flag")))
    for word in ("trian", "Main", "predict.py", "--workdir", "--vers", "--config=mnist", "\udce9", "", "-m"):
        found.append(("__main__", (word,), word.replace("\udce9", "no such command")))
    found += [
        ("__main__", ("help", "main"), "help"),
        ("__main__", ("--workdir", "x", "predict"), "--workdir"),
    ]
    return found


def homes() -> list[Case]:
    """Return paths below a home folder that is not known, or has no such file."""
    found: list[Case] = []
    empty = (("HOME", ""),)
    found += [
        ("main", (*DIGITS, "--workdir=~/run"), "HOME is empty", 2, empty),
        ("main", ("--config=~/mine.py",), "HOME is empty", 2, empty),
        ("main", ("--config=configs/text.py", "--config.dataset.file=~/a.txt"), "HOME is empty", 2, empty),
        ("sweep", (*GRID, "--workdir=~/sweep"), "HOME is empty", 2, empty),
        ("sweep", (*DIGITS, "--sweep=~/sweep.py"), "HOME is empty", 2, empty),
        ("sweep", (*GRID, "--storage=sqlite:///~/x.db"), "HOME is empty", 2, empty),
        ("report", ("~/run",), "HOME is empty", 2, empty),
        ("report", ("{at}/digits", "--out=~/page.html"), "HOME is empty", 2, empty),
        ("main", ("--config=~nobody-at-all/mine.py",), "~nobody-at-all/mine.py"),
        ("main", ("--workdir=~nobody-at-all/run",), "~nobody-at-all/run"),
        ("generate", ("--workdir", "{at}/letters", "--score=~nobody-at-all/a.txt"), "~nobody-at-all/a.txt"),
    ]
    for command in WITH_RUN:
        found.append((command, ("--workdir=~/run",), "HOME is empty", 2, empty))
    return found


def kinds() -> list[Case]:
    """Return files where a folder is needed, folders where a file is needed, and wrong kinds of files."""
    found: list[Case] = []
    for command in WITH_RUN:
        for place in (
            "digits/config.json",
            "short.txt",
            "hollow",
            "picture.png",
            "others/theirs.txt",
            "pipe.py",
        ):
            found.append((command, ("--workdir", f"{{at}}/{place}"), f"{{at}}/{place}"))
    for source in (
        "{at}/hollow",
        "{at}/picture.png",
        "{at}/digits/config.json",
        "{at}/latin.txt",
        "{at}/table.tsv",
    ):
        found.append(("main", ("--config", source), source.rpartition("/")[2]))
        found.append(("sweep", ("--config", source, "--grid", "model.layers=1,2"), source.rpartition("/")[2]))
        found.append(("sweep", (*DIGITS, "--sweep", source), source.rpartition("/")[2]))
        found.append(("main", (*DIGITS, f"--plugin={source}"), source.rpartition("/")[2]))
    for place in ("hollow", "short.txt", "nowhere", "picture.png", "digits/config.json", "pipe.py", ""):
        found.append(
            ("report", (f"{{at}}/{place}" if place else "",), f"{{at}}/{place}" if place else "folder")
        )
    for out in (
        "{at}/hollow",
        "{at}/nowhere/page.html",
        "/proc/page.html",
        "{at}/a_file/page.html",
        "/dev/full",
    ):
        found.append(("report", ("{at}/digits", "--out", out), out))
    for plugin in ("nowhere.py", "no.such.module", ".", "", "os.path.x", "3", "a b"):
        found.append(("main", (*DIGITS, f"--plugin={plugin}"), "plugin"))
    for config, key in (
        ("configs/images.py", "folder"),
        ("configs/sequences.py", "file"),
        ("configs/text.py", "file"),
    ):
        for place in ("nowhere/at/all", "pipe.py", "/dev/null", "a\nb"):
            path = place if place.startswith("/") else f"{{at}}/{place}"
            found.append(("main", ("--config", config, f"--config.dataset.{key}={path}"), f"dataset.{key}"))
    return found


def platforms() -> list[Case]:
    """Return platforms that JAX does not have, and wrong environment variables of it."""
    found: list[Case] = []
    for name in ("no-such", "CPU", "cpu gpu", " cpu"):
        found.append(("main", DIGITS, f"JAX_PLATFORMS={name}", 2, (("JAX_PLATFORMS", name),)))
    for name, value in (("JAX_ENABLE_X64", "maybe"), ("JAX_NUM_CPU_DEVICES", "two")):
        found.append(("main", DIGITS, f"{name}={value}", 2, ((name, value),)))
    return found


def cases() -> list[Case]:
    """Return all of them."""
    return [*misspelt(), *homes(), *kinds(), *platforms()]
