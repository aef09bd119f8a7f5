"""Plug-ins: modules and files outside the package that register cells, tasks and data sets.

A run folder names the plug-ins of its run, and is never a reason to run them: whoever resumes or loads the
run gives them again, by `--config FILE` or `--plugin MODULE_OR_FILE`.
"""

import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rnn_jax.catalogue.registration import INTERACTIVE
from rnn_jax.config.composition import CATALOGUES
from rnn_jax.config.config_files import split_source
from rnn_jax.config.python_files import find_file, run_file
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path

Plugins = dict[str, dict[str, str]]
"""The origin of each entry from outside, by the key that names it and by its name:
`{"model.cell": {"ugrnn": "/home/me/my_config.py"}}`. JSON has it as the field `plugins`."""


def load_plugins(plugins: Iterable[str]) -> None:
    """Import modules and run files, which register what they have; raise UserError if that fails."""
    for plugin in plugins:
        if plugin.endswith(".py") or os.sep in plugin:
            file = find_file(plugin)
            if file is None:
                raise UserError(f"--plugin {plugin}: no such file")
            with run_file(file, plugin):
                continue
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # as for `python -m`
        try:
            importlib.import_module(plugin)
        except UserError:
            raise
        except Exception as error:
            hint = "; a file's name ends with .py" if isinstance(error, ModuleNotFoundError) else ""
            raise UserError(f"--plugin {plugin}: {type(error).__name__}: {error}{hint}") from error


def plugins_of(sections: Mapping[str, Any], varied: Mapping[str, Iterable[Any]] | None = None) -> Plugins:
    """The plug-ins of the entries that a config names; `varied`: other values of some keys, `section.key`."""
    found: Plugins = {}
    for key, catalogue in CATALOGUES.items():
        section, _, name_key = key.partition(".")
        for name in (varied or {}).get(key, [sections.get(section, {}).get(name_key)]):
            entry = catalogue.get(str(name).partition(":")[0])
            if entry is not None and entry.origin is not None:
                found.setdefault(key, {})[str(name)] = entry.origin
    return found


def plugin_flags(plugins: Plugins, source: str | None = None) -> list[str]:
    """The flags of a command line that load these plug-ins.

    `source` is the config of that command line, `my_config.py:variant`, which registers what it has itself.
    Raises UserError for an entry that was registered in an interactive session.
    """
    file = None if source is None else str(user_path(split_source(source)[0]).resolve())
    entries = [(key, name, origin) for key, origins in plugins.items() for name, origin in origins.items()]
    for key, name, origin in entries:
        if origin == INTERACTIVE:
            remedy = "other processes need it in a file or a module"
            raise UserError(f"{key} = {name!r}: registered in {INTERACTIVE}; {remedy}")
    return list(dict.fromkeys(f"--plugin={origin}" for *_, origin in entries if origin != file))


def require_plugins(plugins: Any, file: object) -> None:
    """Raise UserError for the first entry of the field `plugins` of a file that is not registered."""
    for key, catalogue in CATALOGUES.items():
        origins = plugins.get(key) if isinstance(plugins, Mapping) else None
        for name, origin in origins.items() if isinstance(origins, Mapping) else ():
            if str(name).partition(":")[0] not in catalogue:
                raise UserError(f"{file}: {key} = {name!r} comes from {origin!r}; add --plugin {origin!r}")
