"""Registration of cells, tasks and data sets from outside the package."""

import ast
import itertools
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rnn_jax.catalogue.cells import CELLS, CellEntry
from rnn_jax.catalogue.datasets import DATASETS, DatasetEntry
from rnn_jax.catalogue.entry import Builder, Entry
from rnn_jax.catalogue.tasks import TASKS, TaskEntry
from rnn_jax.runtime.errors import UserError

INTERACTIVE = "an interactive session"
"""The origin of what was registered in no module and no file."""

RUN_PACKAGE = "rnn_jax_run_"
"""The beginning of the names of packages that exist while a file runs: see `config/python_files.py`."""

_TABLES: dict[str, tuple[dict[str, Any], type[Entry]]] = {
    "cell": (CELLS, CellEntry),
    "task": (TASKS, TaskEntry),
    "dataset": (DATASETS, DatasetEntry),
}


def register_cell(name: str, builder: Builder, **facts: Any) -> None:
    """Add a cell, which `model.cell` may then name; `facts` are the other fields of `CellEntry`.

    The name has letters, digits and underscores. The builder is the Flax module, or its path, `module:name`;
    a module `.other` stands beside the caller's. Raises UserError, with all errors at once, if the name is
    taken, the path is wrong, or facts are missing, unknown or wrong.
    """
    _register("cell", name, builder, facts)


def register_task(name: str, builder: Builder, **facts: Any) -> None:
    """Add a task, which `task.name` may then name; `facts`: of `TaskEntry`. See `register_cell`."""
    _register("task", name, builder, facts)


def register_dataset(name: str, builder: Builder, **facts: Any) -> None:
    """Add a data set, which `dataset.name` may then name; `facts`: of `DatasetEntry`. See `register_cell`."""
    _register("dataset", name, builder, facts)


def _register(kind: str, name: str, builder: Builder, facts: dict[str, Any]) -> None:
    table, entry_type = _TABLES[kind]
    caller = sys._getframe(2).f_globals
    origin = _origin(caller)
    if isinstance(builder, str) and builder.startswith("."):
        builder = (caller.get("__package__") or "") + builder
    problems = []
    if not re.fullmatch(r"\w+", name):
        problems.append("the name must consist of letters, digits and underscores")
    # The same file may run again, and then replaces what it registered before.
    if name in table and table[name].origin != origin:
        problems.append(f"the name is taken, by {table[name].origin or 'rnn_jax'}")
    for key, path in {"builder": builder, **facts}.items():
        is_path = key in ("builder", "options", "template") and isinstance(path, str)
        if is_path and (problem := _wrong_path(path)):
            problems.append(f"{key} = {path!r}: {problem}")
    entry = None
    try:
        entry = entry_type(builder=builder, origin=origin, **facts)
    except ValidationError as error:
        problems += _wrong_facts(error, entry_type)
    if problems or entry is None:
        raise UserError("\n".join(f"register_{kind}({name!r}): {problem}" for problem in problems))
    table[name] = entry


def _origin(names: dict[str, Any]) -> str:
    """The module or the file whose global names these are: `--plugin` takes either."""
    if names.get("__spec__") is not None and not names["__name__"].startswith(RUN_PACKAGE):
        return names["__spec__"].name
    return str(Path(names["__file__"]).resolve()) if "__file__" in names else INTERACTIVE


def _wrong_facts(error: ValidationError, entry_type: type[Entry]) -> list[str]:
    """What pydantic found wrong, one line per fact."""
    known = [name for name in entry_type.__dataclass_fields__ if name not in ("builder", "_", "origin")]
    problems = {}
    for details in error.errors():
        fact, kind = str(details["loc"][0]), details["type"]
        if kind.startswith("missing"):
            problems[fact] = f"{fact}: missing"
        elif kind.startswith("unexpected"):
            problems[fact] = f"{fact}: no such fact; it has {', '.join(known)}"
        else:
            problems.setdefault(fact, f"{fact} = {details['input']!r}: {details['msg']}")
    return list(problems.values())


def _wrong_path(path: str) -> str | None:
    """Why a path, `module:name`, names nothing; nothing is imported to find out."""
    module, _, name = path.partition(":")
    if not (module and name):
        return "must be 'module:name'"
    spec = _find_module(module)
    if spec is None:
        return f"there is no module {module}"
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    names = set[str]()  # that the module defines or imports; "*": everything that another one has
    for node in ast.walk(ast.parse(Path(spec.origin).read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return None if {name, "*"} & names else f"{module} does not define {name}"


def _find_module(name: str) -> ModuleSpec | None:
    """Find a module without importing its packages, which `importlib.util.find_spec` does."""
    spec, path = None, None
    for end in itertools.accumulate(name.split("."), "{}.{}".format):
        finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((found for finder in finders if (found := finder.find_spec(end, path))), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec
