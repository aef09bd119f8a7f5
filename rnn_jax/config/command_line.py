"""The command line of a config: flags, and other values for its keys.

The syntax is that of `ml_collections.config_flags`: `--config FILE[:VARIANT[,VARIANT]]`, `--config.a.b=V` or
`--config.a.b V`, in any order; the last one counts. All errors are reported at once, before JAX is imported.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ml_collections import ConfigDict

from rnn_jax.config import config_files
from rnn_jax.config.help import help_text
from rnn_jax.config.messages import join_lines, nearest, nearest_key
from rnn_jax.config.plugins import load_plugins
from rnn_jax.config.run_folder import RunFolder, check_run, read_settings
from rnn_jax.config.schema import SECTIONS, Config, examine, keys, validate, wrong_key
from rnn_jax.config.values import overridden, read_value
from rnn_jax.runtime.command import version
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path

CHOICES = {"mode": ("train", "eval"), "checkpoint": ("best", "latest")}
FLAGS = ("config", "plugin", "workdir", *CHOICES)


class CommandLine(NamedTuple):
    """A command line of `python -m rnn_jax.main`."""

    config: Config
    notes: list[str]  # on keys of the file that were ignored
    source: str | None  # `configs/mnist.py:seed`; None: the run folder's own config
    workdir: Path | None
    mode: Literal["train", "eval"]
    checkpoint: Literal["best", "latest"]
    typed: frozenset[str]  # the keys (`section.key`) that were typed


def parse(arguments: Sequence[str]) -> CommandLine:
    """Parse and check a command line (`sys.argv[1:]`).

    Raises UserError, with one or two lines for each error in the flags, the config file or the keys, or if
    the run folder cannot be used or holds another run; SystemExit with status 0 after `--help` or `--version`
    was printed.
    """
    given, texts, errors = read_arguments(arguments, FLAGS)
    print_version(arguments)
    if {"--help", "-h"} & set(arguments):
        with contextlib.suppress(UserError):  # what they register has keys too
            load_plugins([*given.get("plugin", ()), *given.get("config", ())])
        print(help_text(), end="")
        raise SystemExit(0)
    flags: dict[str, Any] = {name: values[-1] for name, values in given.items()}
    for name, choices in CHOICES.items():
        if flags.get(name, choices[0]) not in choices:
            errors.append(f"--{name} {flags[name]}: must be one of {', '.join(choices)}")
    if "checkpoint" in flags and flags.get("mode") != "eval":
        errors.append("--checkpoint: only with --mode eval")
    base, origin, base_errors = ConfigDict(), None, []
    try:
        load_plugins(given.get("plugin", ()))
        base, origin = _base(flags)  # whose file may register keys
    except UserError as error:
        base_errors = [str(error)]
    known = keys()
    errors += [wrong_key(key).line(texts, None) for key in texts if key not in known] + base_errors
    typed = {key: read_value(text, known[key].annotation) for key, text in texts.items() if key in known}
    examined = examine(overridden(base, typed), typed)
    # Without a base all other keys are missing, which follows from the error reported already.
    problems = [problem for problem in examined.problems if origin is not None or problem.key in typed]
    errors += [problem.line(typed, origin) for problem in problems]
    if errors:
        raise UserError(join_lines(errors))
    workdir = user_path(flags["workdir"]) if "workdir" in flags else None
    if workdir is not None:
        check_run(workdir, examined.config)
    mode, checkpoint = flags.get("mode", "train"), flags.get("checkpoint", "best")
    source, keys_typed = flags.get("config"), frozenset(typed)
    return CommandLine(examined.config, examined.notes, source, workdir, mode, checkpoint, keys_typed)


def load_config(source: str, overrides: Mapping[str, Any] | None = None) -> ConfigDict:
    """Load a config, with every key, from Python.

    `source` is `configs/mnist.py`, `configs/mnist.py:seed,smoke`, or `mnist`, a packaged config; `overrides`
    are other values for some keys, `{"optimizer.learning_rate": 1e-3}`. Raises UserError if there is no such
    file or variant, or with one line for each error in the config.
    """
    overrides, base = overrides or {}, config_files.load(source)
    if unknown := [wrong_key(key).line((), None) for key in overrides if key not in keys()]:
        raise UserError("\n".join(unknown))
    config, _ = validate(overridden(base, overrides), overrides, source)
    return ConfigDict(config.model_dump())


def read_arguments(
    arguments: Sequence[str], known: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, str], list[str]]:
    """All texts of each flag in `known`, the last text of each key behind `--config.`, and the errors."""
    flags: dict[str, list[str]] = {}
    texts, errors = {}, []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("-"):
            hint = f"; did you mean --config {word}?" if ".py" in word else ""
            errors.append(f"{word}: not a flag{hint}")
            continue
        if not equals and rest and not rest[0].startswith("--"):
            text = rest.pop(0)
        if not word.startswith("--") or not (name in known or name.startswith("config.")):
            errors.append(f"{word.partition('=')[0]}: no such flag; {_hint(name.lstrip('-'), known)}")
        elif not text:
            errors.append(f"--{name}: needs a value, --{name}=VALUE")
        elif name in known:
            flags.setdefault(name, []).append(text)
        else:
            texts[name.removeprefix("config.")] = text
    return flags, texts, errors


def print_version(arguments: Sequence[str]) -> None:
    """Print the version and raise SystemExit with status 0, if the arguments ask for it."""
    if "--version" in arguments:
        print(version())
        raise SystemExit(0)


def _hint(name: str, known: Sequence[str]) -> str:
    """The flag, or key, that most resembles a mistyped flag."""
    head, dot, key = name.partition(".")
    if not dot and (flag := nearest(name, (*known, "help", "version"))):
        return f"did you mean --{flag}?"
    key = name if head in SECTIONS or not dot else key
    near = key if key in keys() else nearest_key(key, keys())
    return f"did you mean --config.{near}?" if near else "--help lists them"


def _base(flags: Mapping[str, str]) -> tuple[Mapping[str, Any] | ConfigDict, str]:
    """The config without the typed keys, and the file it comes from."""
    folder = RunFolder(user_path(flags["workdir"])) if "workdir" in flags else None
    holds_run = folder is not None and os.path.isfile(folder.config)
    no_run = f"; {folder.path} is not a run folder (no config.json)" if folder else ""
    if flags.get("mode") == "eval" and not holds_run:
        raise UserError(f"--mode eval: needs the --workdir of a run{no_run}")
    if "config" in flags:
        return config_files.load(flags["config"]), flags["config"]
    if folder is not None and holds_run:
        return read_settings(folder.path), str(folder.config)
    raise UserError(f"--config: must be given, or the --workdir of a run{no_run}\n{config_files.listed()}")
