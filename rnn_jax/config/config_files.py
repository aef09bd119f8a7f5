"""Config files: list, describe and load them, and complete a config by the defaults.

A config file defines `get_config()`, which returns an `ml_collections.ConfigDict`, and may define
`VARIANTS`, named functions that change such a config in place. `FILE:VARIANT,VARIANT` is a config with
variants. A bare name, `mnist`, is a packaged config.
"""

import ast
import functools
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from rnn_jax.config.messages import format_value, nearest
from rnn_jax.config.python_files import CONFIGS, find_file, run_file
from rnn_jax.config.rules import PAIRS
from rnn_jax.config.values import flatten, plain
from rnn_jax.runtime.errors import UserError

BASE = "base.py"
"""The packaged config that has the default of every key; it names no data set and no task."""


def split_source(source: str) -> tuple[str, list[str]]:
    """`configs/mnist.py:seed,smoke` -> `configs/mnist.py` and `[seed, smoke]`."""
    path, colon, variants = source.rpartition(":")
    if not colon or os.sep in variants:
        return source, []
    return path, variants.split(",")


def available() -> list[str]:
    """The config files in `configs/` of the working directory, and the packaged ones."""
    names = {file.name for folder in (Path("configs"), CONFIGS) for file in folder.glob("*.py")}
    return [f"configs/{name}" for name in sorted(names - {BASE}) if not name.startswith("_")]


def listed() -> str:
    """A line with all config files, for messages."""
    return f"available configs: {', '.join(available()) or 'none'}"


def describe(path: str) -> tuple[str, dict[str, str]]:
    """Return the first lines of the docstrings of a config file and of its variants, without running it.

    Raises SyntaxError if it is not Python.
    """
    tree = ast.parse(_find(path).read_bytes())
    summaries = {
        getattr(node, "name", ""): (ast.get_docstring(node) or "").partition("\n")[0]
        for node in (tree, *tree.body)
        if isinstance(node, ast.Module | ast.FunctionDef)
    }
    variants = {}
    for node in tree.body:
        is_assignment = isinstance(node, ast.Assign | ast.AnnAssign)
        if is_assignment and ast.unparse(node).startswith("VARIANTS") and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant):
                    variants[str(key.value)] = summaries.get(ast.unparse(value), "")
    return summaries[""], variants


def load(source: str) -> ConfigDict:
    """Run a config file and apply the variants from left to right; absent keys get their defaults.

    A relative path is looked up in the working directory, then among the packaged configs. Raises UserError
    if there is no such file or variant, or the file fails.
    """
    path, variants = split_source(source)
    with run_file(_find(path), path) as module:
        get_config, known = module.get("get_config"), module.get("VARIANTS", {})
        if not callable(get_config):
            raise UserError(f"{path}: must define get_config()")
        if not isinstance(known, Mapping) or not all(isinstance(name, str) for name in known):
            raise UserError(f"{path}: VARIANTS must be a dict of functions by their names")
        for name, function in known.items():
            if not callable(function):
                raise UserError(f"{path}: VARIANTS: {name} = {format_value(function)}: must be a function")
        if errors := [_no_such_variant(path, name, known) for name in variants if name not in known]:
            raise UserError("\n".join(errors))
        config: object = get_config()
        if not isinstance(config, ConfigDict):
            what = type(config).__name__
            raise UserError(f"{path}: get_config() must return an ml_collections.ConfigDict, not {what}")
        for name in variants:
            known[name](config)
        return ConfigDict(with_defaults(config.to_dict()))  # to_dict raises for a required placeholder


@functools.cache
def defaults() -> dict[str, dict[str, Any]]:
    """The default of every key, by section, as the packaged `base.py` has it; not to be changed in place."""
    with run_file(CONFIGS / BASE, f"configs/{BASE}") as module:
        return module["get_config"]().to_dict()


def with_defaults(config: Mapping[str, Any] | ConfigDict) -> dict[str, Any]:
    """A copy of a config in which absent keys have their defaults.

    Where one of two keys for the same duration is given (`duration_steps`), the other one
    (`duration_epochs`) is None.
    """
    sections = plain(config)
    given = {key for key, value in flatten(sections).items() if value is not None}
    unset = {key for *pair, _ in PAIRS if given.intersection(pair) for key in pair}
    for section, keys in defaults().items():
        own = sections.setdefault(section, {})
        if isinstance(own, dict):
            values = {key: None if f"{section}.{key}" in unset else value for key, value in keys.items()}
            sections[section] = values | own
    return sections


def _no_such_variant(path: str, name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else f"it has {', '.join(known)}"
    return f"{path}:{name}: {f'no such variant; {hint}' if known else 'the config has no variants'}"


def _find(path: str) -> Path:
    is_name = path == Path(path).stem
    file = find_file(path) or (find_file(str(CONFIGS / f"{path}.py")) if is_name else None)
    if file is not None:
        return file
    stems = {Path(config).stem: config for config in reversed(available())}
    near = stems.get(nearest(Path(path).stem, stems) or "")
    hint = f"; did you mean {near}?" if near else ""
    raise UserError(f"--config {path}: no such file{hint}\n{listed()}")
