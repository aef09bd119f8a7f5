"""The command line of a sweep: the config's, with what is varied, how often, and the study it is kept in."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.config import config_files
from rnn_jax.config.command_line import overridden, read_arguments, wrong_key
from rnn_jax.config.messages import shown
from rnn_jax.config.run_folder import run_name
from rnn_jax.config.schema import keys
from rnn_jax.config.values import read_value
from rnn_jax.runtime.errors import UserError
from rnn_jax.sweeping import definition, members
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Base, Member, Point
from rnn_jax.sweeping.usage import USAGE

STUDY_FLAGS = ("storage", "study", "trials", "workers", "heartbeat")
FLAGS = ("config", "sweep", "grid", "seeds", "workdir", *STUDY_FLAGS)
HEARTBEAT_SECONDS = 10
LONGEST_NAME = 200


class InStudy(NamedTuple):
    """What a command line says of the study that a sweep is kept in."""

    url: str
    """Of the database."""
    name: str
    workers: int
    heartbeat_seconds: int


class Command(NamedTuple):
    """What a command line says."""

    base: Base
    sweep: Sweep
    members: list[Member]
    """All of them; of a study with ranges, those at the ends of the ranges."""
    workdir: Path | None
    study: InStudy | None = None
    """None: the sweep is trained in this process."""


def parse(arguments: Sequence[str]) -> Command:
    """Reads a command line (`sys.argv[1:]`).

    Raises:
        UserError: one line (at most two) for each mistake.
        SystemExit: with status 0, after `--help` was printed.
    """
    if {"--help", "-h"} & set(arguments):
        print(USAGE, end="")
        raise SystemExit(0)
    flags, typed, mistakes = read_arguments(arguments, FLAGS)
    mistakes += [wrong_key(key).line(typed, None) for key in typed if key not in keys()]
    if "storage" not in flags:
        mistakes += [f"--{name}: only with --storage" for name in STUDY_FLAGS if name in flags]
    workdir = Path(flags["workdir"][-1]) if "workdir" in flags else None
    if mistakes:
        raise UserError("\n".join(mistakes))
    values = {key: read_value(text, keys()[key].annotation) for key, text in typed.items()}
    base, sweep, origin = _what(flags, values, workdir)
    if "storage" not in flags:
        return Command(base, sweep, members.build(base, sweep, origin), workdir)
    known = None if workdir is None else SweepFolder(workdir).study()
    study = InStudy(
        flags["storage"][-1],
        _name(flags["study"][-1]) if "study" in flags else known or run_name(base.source),
        _whole("workers", flags, 1),
        _whole("heartbeat", flags, HEARTBEAT_SECONDS),
    )
    at = members.corners(sweep) if sweep.ranges else None
    return Command(base, sweep, members.build(base, sweep, origin, at), workdir, study)


def without(arguments: Sequence[str], flag: str) -> list[str]:
    """The arguments without a flag, which was read without a mistake, and its values."""
    kept, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        if word == f"--{flag}":
            rest.pop(0)
        elif not word.startswith(f"--{flag}="):
            kept.append(word)
    return kept


def winners_command(command: Command, point: Point) -> str:
    """The ordinary command that trains the winner alone, with its first seed."""
    base = command.base
    typed = {key: base.sections[key.partition(".")[0]][key.partition(".")[2]] for key in base.said}
    changes = typed | members.duration(command.sweep) | point
    overrides = [f"--config.{key}={value}" for key, value in changes.items()]
    return shlex.join(["python", "-m", "rnn_jax.main", "--config", base.source, *overrides])


def _what(
    flags: Mapping[str, list[str]], values: Mapping[str, Any], workdir: Path | None
) -> tuple[Base, Sweep, str]:
    """The base and the sweep, and where that was said."""
    if workdir is not None and not set(flags) - {"workdir", *STUDY_FLAGS}:
        folder = SweepFolder(workdir)
        base, sweep = folder.read(in_study="storage" in flags)
        said = list(dict.fromkeys([*base.said, *values]))
        sections = overridden(base.sections, values)
        if sweep.grid:
            _refuse_trials(flags)
        elif "trials" in flags:
            sweep = sweep.model_copy(update={"num_trials": _whole("trials", flags, 1)})
        return Base(base.source, sections, said), sweep, str(workdir)
    if "config" not in flags:
        raise UserError(f"--config is missing\n{config_files.listed()}")
    source = flags["config"][-1]
    base = Base(source, overridden(config_files.load(source), values), list(values))
    return base, *_sweep(flags)


def _sweep(flags: Mapping[str, list[str]]) -> tuple[Sweep, str]:
    """What is varied, and where that was said."""
    if ("sweep" in flags) == ("grid" in flags):
        both = "sweep" in flags
        raise UserError(
            "--sweep and --grid: give one of them" if both else "--sweep FILE or --grid KEY=V1,V2 is missing"
        )
    fields = {"seeds": "seeds", "trials": "num_trials"}
    typed = {field: _whole(name, flags, 1) for name, field in fields.items() if name in flags}
    in_study = "storage" in flags
    if "sweep" in flags:
        path = flags["sweep"][-1]
        return definition.load(path, typed, in_study=in_study), path
    _refuse_trials(flags)
    grid = list(map(_values, flags["grid"]))
    twice = [key for number, (key, _) in enumerate(grid) if key in dict(grid[:number])]
    if twice:
        raise UserError(f"--grid {twice[0]}: given twice; all its values go into one")
    return definition.check({"grid": dict(grid)}, "--grid", typed, in_study=in_study), "--grid"


def _refuse_trials(flags: Mapping[str, list[str]]) -> None:
    if "trials" in flags:
        raise UserError("--trials: only with ranges; a grid has all its combinations")


def _values(text: str) -> tuple[str, list[Any]]:
    """`optimizer.learning_rate=1e-3,3e-3` as the key and its values."""
    key, equals, values = text.partition("=")
    if not equals:
        raise UserError(f"--grid {text}: must be SECTION.KEY=V1,V2,...")
    if key not in keys():
        raise UserError(f"--grid: {wrong_key(key).line((), None)}")
    return key, [read_value(value, keys()[key].annotation) for value in values.split(",") if value.strip()]


def _name(text: str) -> str:
    """The name of a study, of which its folder has the name too by default."""
    if not text.strip() or "/" in text or text in (".", "..") or len(text) > LONGEST_NAME:
        raise UserError(
            f"--study {shown(text)}: must be a name without '/', of at most {LONGEST_NAME} characters"
        )
    return text


def _whole(flag: str, flags: Mapping[str, list[str]], default: int) -> int:
    """The number that a flag gives."""
    if flag not in flags:
        return default
    text = flags[flag][-1]
    number = read_value(text, int)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise UserError(f"--{flag} {text}: must be a whole number, at least 1")
    return number
