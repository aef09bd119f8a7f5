"""Config files: which there are, what they say of themselves, and running one.

A config file defines `get_config()`, which returns an `ml_collections.ConfigDict`, and may define `VARIANTS`,
named functions that change such a config in place. `FILE:VARIANT,VARIANT` is a config with variants.
"""

import ast
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from rnn_jax.config.messages import nearest, shown
from rnn_jax.runtime.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]


class Description(NamedTuple):
    """What a config file says of itself: first lines of docstrings."""

    summary: str
    variants: dict[str, str]


def split_source(source: str) -> tuple[str, list[str]]:
    """`configs/mnist.py:seed,smoke` -> `configs/mnist.py` and `[seed, smoke]`."""
    path, colon, variants = source.rpartition(":")
    if not colon or os.sep in variants:
        return source, []
    return path, variants.split(",")


def available() -> list[str]:
    """The config files in `configs/` of the working directory and of the repository, as one may type them."""
    folders = [root / "configs" for root in (Path(), REPOSITORY)]
    names = {file.name for folder in folders for file in folder.glob("*.py") if not file.name.startswith("_")}
    return [f"configs/{name}" for name in sorted(names)]


def describe(path: str) -> Description:
    """Reads the docstrings of a config file, without running it.

    Raises:
        SyntaxError: the file is not Python.
    """
    tree = ast.parse(_find(path).read_bytes())
    functions = {node.name: _summary(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    variants = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            names = [ast.unparse(node.target)]
        else:
            continue
        if "VARIANTS" in names and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant):
                    variants[str(key.value)] = functions.get(ast.unparse(value), "")
    return Description(_summary(tree), variants)


def load(source: str) -> ConfigDict:
    """Runs a config file, and applies the variants from left to right.

    A relative path is tried against the working directory, then against the repository.

    Raises:
        UserError: there is no such file or variant, or the file fails: its line is told.
    """
    path, variants = split_source(source)
    file = _find(path)
    with _errors_for_people(path, file):
        module = _run(file)
        get_config = module.get("get_config")
        if not callable(get_config):
            raise UserError(f"{path}: a config file must define get_config()")
        known = _variants(path, module)
        if unknown := [name for name in variants if name not in known]:
            raise UserError("\n".join(_no_such_variant(path, name, list(known)) for name in unknown))
        config: object = get_config()
        if not isinstance(config, ConfigDict):
            what = type(config).__name__
            raise UserError(
                f"{path}: get_config() must return an ml_collections.ConfigDict, and returns {what}"
            )
        for name in variants:
            known[name](config)
        # A copy without references between fields: one that is required and empty fails here.
        return ConfigDict(config.to_dict())


def call(path: str, function: str, flag: str) -> object:
    """Runs a Python file, and returns what a function that it must define returns.

    Raises:
        UserError: there is no such file or function, or the file fails: its line is told.
    """
    file = _find(path, flag)
    with _errors_for_people(path, file):
        defined = _run(file).get(function)
        if not callable(defined):
            raise UserError(f"{path}: must define {function}()")
        return defined()


def listed() -> str:
    """A line that lists the config files there are."""
    return f"configs there are: {', '.join(available()) or 'none'}"


def _no_such_variant(path: str, name: str, known: list[str]) -> str:
    if not known:
        return f"{path} has no variants, {name!r} neither"
    near = nearest(name, known)
    hint = f"; did you mean {near}?" if near else ""
    return f"{path} has no variant {name!r}{hint} (it has {', '.join(known)})"


def _variants(path: str, module: Mapping[str, Any]) -> Mapping[str, Callable[[ConfigDict], None]]:
    """The variants of a config file by their names."""
    known = module.get("VARIANTS", {})
    if not isinstance(known, Mapping) or not all(isinstance(name, str) for name in known):
        raise UserError(f"{path}: VARIANTS must be a dict of functions by their names")
    if wrong := [name for name, function in known.items() if not callable(function)]:
        raise UserError(f"{path}: VARIANTS: {wrong[0]} must be a function, and is {shown(known[wrong[0]])}")
    return known


def _find(path: str, flag: str = "--config") -> Path:
    for candidate in (Path(path), REPOSITORY / path):
        if os.path.isfile(candidate):  # False, where Path.is_file raises, for a name that is too long
            return candidate.resolve()
    stems = {Path(config).stem: config for config in reversed(available())}
    near = stems.get(nearest(Path(path).stem, stems) or "")
    hint = f"; did you mean {near}?" if near else ""
    if flag != "--config":
        raise UserError(f"{flag} {path}: no such file")
    raise UserError(f"--config {path}: no such file{hint}\n{listed()}")


def _run(file: Path) -> dict[str, Any]:
    """Runs a file and returns its names; its repository joins `sys.path`: configs may import others."""
    marked = [
        folder
        for folder in file.parents
        if any((folder / mark).exists() for mark in (".git", "pyproject.toml"))
    ]
    for root in (REPOSITORY, marked[0] if marked else file.parent.parent):
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
    names: dict[str, Any] = {"__name__": f"config_{file.stem}", "__file__": str(file)}
    exec(compile(file.read_bytes(), file, "exec"), names)
    return names


@contextmanager
def _errors_for_people(path: str, file: Path) -> Iterator[None]:
    """Says in one line which line of a config file failed, or of one that it imports."""
    try:
        yield
    except UserError:
        raise
    except SyntaxError as error:
        name = Path(path).with_name(Path(error.filename or file).name)
        raise UserError(f"{name}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # `sys.exit()` too: a config is asked for, and the file gives none
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if _beside(frame.filename, file)
        ]
        place = (
            f"{Path(path).with_name(Path(frames[-1].filename).name)}, line {frames[-1].lineno}"
            if frames
            else path
        )
        raise UserError(f"{place}: {type(error).__name__}: {_summary_of(error)}") from error


def _summary_of(error: BaseException) -> str:
    try:
        return str(error).partition("\n")[0]
    except Exception:  # an error's own
        return "of which it cannot be said what it is"


def _beside(filename: str, file: Path) -> bool:
    return Path(filename).resolve().parent == file.parent


def _summary(node: ast.Module | ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]
