"""The command line and what it may say.

The syntax is that of `ml_collections.config_flags`: `--config FILE[:VARIANT[,VARIANT]]`, `--config.a.b=V` or
`--config.a.b V`, in any order; of several alike the last one counts. All mistakes are told at once, in words,
and before JAX is imported.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ml_collections import ConfigDict

from rnn_jax.config import config_files
from rnn_jax.config.help import help_text
from rnn_jax.config.messages import Mistake, nearest, nearest_key, told
from rnn_jax.config.plugins import load_plugins
from rnn_jax.config.run_folder import RunFolder, check_run, read_settings
from rnn_jax.config.schema import SECTIONS, Config, examine, keys, validate
from rnn_jax.config.validation import no_key, unknown_key
from rnn_jax.config.values import plain, read_value
from rnn_jax.runtime.errors import UserError

CHOICES = {"mode": ("train", "eval"), "checkpoint": ("best", "latest")}
FLAGS = ("config", "plugin", "workdir", *CHOICES)


class Command(NamedTuple):
    """What a command line says."""

    config: Config
    notes: list[str]  # keys of the file that were passed over
    source: str | None  # `configs/mnist.py:seed`; None: the run folder's own config
    workdir: Path | None
    mode: Literal["train", "eval"]
    checkpoint: Literal["best", "latest"]
    said: frozenset[str]  # the keys (`section.key`) that were typed


def parse(arguments: Sequence[str]) -> Command:
    """Reads a command line (`sys.argv[1:]`).

    Raises:
        UserError: one line (at most two) for each mistake: of the flags, of the config file, of the keys; or
            the folder of the run cannot be used, or holds another one.
        SystemExit: with status 0, after `--help` was printed.
    """
    texts, typed, mistakes = read_arguments(arguments, FLAGS)
    if {"--help", "-h"} & set(arguments):
        with contextlib.suppress(UserError):  # what they register has keys too
            load_plugins([*texts.get("plugin", ()), *texts.get("config", ())])
        print(help_text(), end="")
        raise SystemExit(0)
    flags = {name: given[-1] for name, given in texts.items()}
    mistakes += _wrong_flags(flags)
    base, origin, wrong_base = ConfigDict(), None, []
    try:
        load_plugins(texts.get("plugin", ()))
        base, origin = _base(flags)  # whose file may register keys
    except UserError as error:
        wrong_base = [str(error)]
    known = keys()
    mistakes += [wrong_key(key).line(typed, None) for key in typed if key not in known] + wrong_base
    values = {key: read_value(text, known[key].annotation) for key, text in typed.items() if key in known}
    examined = examine(overridden(base, values), values)
    # Without a base everything else is missing too, which is no news.
    found = [mistake for mistake in examined.mistakes if origin is not None or mistake.key in values]
    mistakes += [mistake.line(values, origin) for mistake in found]
    if mistakes or examined.config is None:
        raise UserError(told(mistakes))
    config, workdir = examined.config, flags.get("workdir")
    if workdir is not None:
        check_run(Path(workdir), config)
    return Command(
        config=config,
        notes=examined.notes,
        source=flags.get("config"),
        workdir=None if workdir is None else Path(workdir),
        mode="eval" if flags.get("mode") == "eval" else "train",
        checkpoint="latest" if flags.get("checkpoint") == "latest" else "best",
        said=frozenset(values),
    )


def load_config(source: str, overrides: Mapping[str, Any] | None = None) -> ConfigDict:
    """The config that a source names, complete and checked: for Python and notebooks.

    Args:
        source: `configs/mnist.py` or `configs/mnist.py:seed,smoke`.
        overrides: other values for some keys, `{"optimizer.learning_rate": 1e-3}`.

    Raises:
        UserError: no such file or variant, or one line for each mistake in the config.
    """
    overrides, base = overrides or {}, config_files.load(source)
    if unknown := [wrong_key(key).line((), None) for key in overrides if key not in keys()]:
        raise UserError("\n".join(unknown))
    config, _ = validate(overridden(base, overrides), overrides, source)
    return ConfigDict(config.model_dump())


def read_arguments(
    arguments: Sequence[str], known: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, str], list[str]]:
    """The texts of the flags that are known, of the keys behind `--config.`, and the mistakes.

    A flag may be given several times; of a key the last text counts.
    """
    flags: dict[str, list[str]] = {}
    typed, mistakes = {}, []
    rest = list(arguments)
    while rest:
        token = rest.pop(0)
        name, equals, text = token.removeprefix("--").partition("=")
        if not token.startswith("-"):
            meant = f"; did you mean --config {token}?" if ".py" in token else ""
            mistakes.append(f"{token}: belongs to no flag{meant}")
            continue
        if not equals and rest and not rest[0].startswith("--"):
            text = rest.pop(0)
        if not token.startswith("--") or not (name in known or name.startswith("config.")):
            mistakes.append(f"{token.partition('=')[0]}: no such flag; {_hint(name.lstrip('-'), known)}")
        elif not text:
            mistakes.append(f"--{name}: needs a value, --{name}=VALUE")
        elif name in known:
            flags.setdefault(name, []).append(text)
        else:
            typed[name.removeprefix("config.")] = text
    return flags, typed, mistakes


def _hint(name: str, known: Sequence[str]) -> str:
    """Which flag a mistyped one was most likely meant to be."""
    head, dot, key = name.partition(".")
    if not dot and (flag := nearest(name, (*known, "help"))):
        return f"did you mean --{flag}?"
    key = name if head in SECTIONS or not dot else key
    near = key if key in keys() else nearest_key(key, keys())
    return f"did you mean --config.{near}?" if near else "--help lists them"


def _wrong_flags(flags: Mapping[str, str]) -> list[str]:
    mistakes = []
    for name, choices in CHOICES.items():
        if name in flags and flags[name] not in choices:
            mistakes.append(f"--{name} {flags[name]}: must be one of {', '.join(choices)}")
    if "checkpoint" in flags and flags.get("mode") != "eval":
        mistakes.append("--checkpoint: only with --mode eval")
    return mistakes


def wrong_key(key: str) -> Mistake:
    """The mistake of a key that is not in the schema."""
    return no_key(key, keys()) if key in SECTIONS else unknown_key(key, keys())


def _base(flags: Mapping[str, str]) -> tuple[Mapping[str, Any] | ConfigDict, str]:
    """The config before the keys of the command line, and where it comes from."""
    workdir = flags.get("workdir")
    holds_run = workdir is not None and os.path.isfile(RunFolder(Path(workdir)).config)
    nothing = (
        f"--workdir {workdir} holds no run (no config.json in it)" if workdir else "no --workdir is given"
    )
    if flags.get("mode") == "eval" and not holds_run:
        raise UserError(f"--mode eval needs the folder of a run: {nothing}")
    if "config" in flags:
        return config_files.load(flags["config"]), flags["config"]
    if workdir is not None and holds_run:
        return read_settings(Path(workdir)), str(RunFolder(Path(workdir)).config)
    raise UserError(f"--config is missing, and {nothing}\n{config_files.listed()}")


def overridden(base: Mapping[str, Any] | ConfigDict, values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the config with other values for some keys."""
    config = plain(base)
    for key, value in values.items():
        section, _, name = key.partition(".")
        if isinstance(config.setdefault(section, {}), dict):
            config[section][name] = value
    return config
