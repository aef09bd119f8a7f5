"""Run Python files that a user names: configs, sweeps, plug-ins.

Each file runs as a module of a package that exists for this one run: the files in its folder, and those
packaged configs that the folder has no file for. So `from . import base` works alike from a checkout and an
installation, prefers a file of the user's own, and files of the same name in other folders never collide.
Packaged configs import one another, never a user's file. `import helper` finds a file beside the one that
runs too, unless another module has that name.
"""

import importlib
import importlib.machinery
import itertools
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from rnn_jax.catalogue.registration import RUN_PACKAGE
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path

_INSTALLED = Path(__file__).resolve().parents[1] / "configs"
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / "configs"
"""The folder of packaged configs: inside the installed package, or beside it in a checkout."""

_packaged = ModuleType("rnn_jax_packaged_configs")
_packaged.__path__ = [str(CONFIGS)]
sys.modules[_packaged.__name__] = _packaged
_runs = itertools.count()
_folders: list[str] = []
"""The folders of the files that ran, the last one first, without those that `sys.path` had before."""


def find_file(path: str) -> Path | None:
    """Look for a file in the working directory, then for a packaged one (`configs/mnist.py`)."""
    for candidate in (user_path(path), CONFIGS.parent / path):
        if os.path.isfile(candidate):  # False, where Path.is_file raises, for a name that is too long
            return candidate.resolve()
    return None


@contextmanager
def run_file(file: Path, path: str) -> Iterator[dict[str, Any]]:
    """Run a file and return the names it defines; errors that it raises are reported in one line.

    Its folder and the root of its repository, or else the folder above its own, join `sys.path` behind all
    others. `path` is the file as the user named it. Raises UserError if the file, or a function of it that is
    called inside of the context, fails.
    """
    package = ModuleType(f"{RUN_PACKAGE}{next(_runs)}")
    package.__path__ = [str(file.parent)]
    borrowed = {
        f"{package.__name__}.{config.stem}": importlib.import_module(f"{_packaged.__name__}.{config.stem}")
        for config in CONFIGS.glob("*.py")
        if not (file.parent / config.name).exists()
    }
    sys.modules |= {package.__name__: package, **borrowed}
    try:
        yield _run(file, package.__name__)
    except (UserError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        name = Path(path).with_name(Path(error.filename or file).name)
        raise UserError(f"{name}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}") from error
    except BaseException as error:  # `sys.exit()` too
        try:
            message = str(error).partition("\n")[0]
        except Exception:  # raised by the exception's own __str__
            message = "no message"
        raise UserError(f"{_place(error, file, path)}: {type(error).__name__}: {message}") from error
    finally:
        for name in borrowed:
            del sys.modules[name]


def call_function(path: str, function: str, flag: str) -> object:
    """Run a file, which `flag` names, and return the result of a function of it; UserError if that fails."""
    file = find_file(path)
    if file is None:
        raise UserError(f"{flag} {path}: no such file")
    with run_file(file, path) as names:
        if not callable(names.get(function)):
            raise UserError(f"{path}: must define {function}()")
        return names[function]()


def _run(file: Path, package: str) -> dict[str, Any]:
    module = ModuleType(f"{package}.{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}")
    module.__package__, module.__file__ = package, str(file)
    sys.modules[module.__name__] = module
    marks = (".git", "pyproject.toml")
    marked = (folder for folder in file.parents if any((folder / mark).exists() for mark in marks))
    root = str(next(marked, file.parent.parent))
    _append_to_path(str(file.parent))
    if root not in sys.path:
        sys.path.append(root)
    importlib.invalidate_caches()  # files may be seconds old
    exec(compile(file.read_bytes(), file, "exec"), vars(module))
    return vars(module)


def _append_to_path(folder: str) -> None:
    """Let a file import those beside it, before those of the same name beside a file that ran earlier."""
    others = [other for other in _folders if other != folder]
    if folder in sys.path and folder not in _folders:
        return
    for name, module in list(sys.modules.items()):
        place = os.path.dirname(getattr(module, "__file__", None) or "")
        place = os.path.dirname(place) if hasattr(module, "__path__") else place
        if "." in name or place not in others:
            continue
        if (
            spec := importlib.machinery.PathFinder.find_spec(name, [folder])
        ) and spec.loader:  # no bare folder
            del sys.modules[name]
    _folders[:] = [folder, *others]
    sys.path[:] = [place for place in sys.path if place not in _folders] + _folders


def _place(error: BaseException, file: Path, path: str) -> str:
    """The line that failed, of the file or of one beside it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).resolve().parent == file.parent]
    return f"{Path(path).with_name(Path(own[-1].filename).name)}, line {own[-1].lineno}" if own else path
