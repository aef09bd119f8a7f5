"""The command line of a sweep: the config's, with the varied keys, the number of seeds, and the study."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.config import config_files
from rnn_jax.config.command_line import print_version, read_arguments
from rnn_jax.config.messages import format_value
from rnn_jax.config.plugins import load_plugins, plugin_flags, plugins_of
from rnn_jax.config.python_files import call_function
from rnn_jax.config.run_folder import default_workdir, run_name
from rnn_jax.config.schema import keys, wrong_key
from rnn_jax.config.values import overridden, read_value
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path
from rnn_jax.sweeping import definition
from rnn_jax.sweeping.definition import ONLY_RANGES, Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Base, Member, build_members, corners, shared_values
from rnn_jax.sweeping.study.search_space import Point

USAGE = """\
Trains a model at many points of a search space, and compares them.

usage: python -m rnn_jax.sweep --config FILE[:VARIANT[,VARIANT]]
                               (--sweep FILE | --grid SECTION.KEY=V1,V2,... [--grid ...]) [--seeds N]
                               [--config.SECTION.KEY=VALUE ...] [--workdir DIR]
                               [--storage URL [--study NAME] [--trials N] [--workers N] [--heartbeat SECONDS]]

  --config FILE:VARIANT     the config that all members share (python -m rnn_jax.main --help lists them)
  --grid SECTION.KEY=V,V    values of a key; several keys in all combinations
  --sweep FILE              a Python file whose get_sweep() returns a grid, or ranges to sample from
  --seeds N                 number of seeds per point, counted up from train.seed (default: 1)
  --config.SECTION.KEY=V    override a key for all members
  --plugin MODULE_OR_FILE   registers cells, tasks or data sets that are not in the package
  --workdir DIR             the sweep's folder (default: runs/<config>-sweep/<date-time>); if it contains the
                            sweep, the same command, or --workdir alone, resumes it
  --help, -h; --version     show this message; the version

Without --storage this process trains all members. Those that differ only in their seed, or in numbers that
are arguments of the compiled step (learning rate, decay, clipping, dropout, initial scale and biases), train
at once in one program; any other difference makes another program.

With --storage the sweep is a study in a database, and each point a trial: a process of the ordinary command,
or a population of its seeds. The same command, on this machine or others, joins the study.

  --storage URL             sqlite:///FILE for one machine, postgresql://USER@HOST/DATABASE for many; better
                            give a password by PGPASSWORD or ~/.pgpass
  --study NAME              the study's name in the database (default: the config's)
  --trials N                number of points sampled from ranges (default: num_trials of the sweep file)
  --workers N               worker processes here, each on its share of the CPU cores (default: 1)
  --heartbeat SECONDS       interval between a worker's heartbeats; after six missed ones another worker
                            resumes its trial from the last checkpoint (default: 10)
  --workdir DIR             as above, with --storage again (default: runs/<config>-sweep/<study>); workers on
                            several machines share this folder

exit status: as of rnn_jax.main
"""
STUDY_FLAGS = ("storage", "study", "trials", "workers", "heartbeat")
FLAGS = ("config", "plugin", "sweep", "grid", "seeds", "workdir", *STUDY_FLAGS)
HEARTBEAT_SECONDS = 10
LONGEST_NAME = 200


class StudyOptions(NamedTuple):
    """The study that stores a sweep."""

    url: str  # of the database
    name: str
    workers: int
    heartbeat_seconds: int


class Command(NamedTuple):
    """A parsed command line."""

    base: Base
    sweep: Sweep
    members: list[Member]  # all; with a study and ranges, those at the extremes of the ranges
    workdir: Path
    study: StudyOptions | None  # None: this process trains the sweep


def parse(arguments: Sequence[str]) -> Command:
    """Parse a command line (`sys.argv[1:]`).

    Raises UserError with one line (at most two) per error, and SystemExit with status 0 after `--help`.
    """
    print_version(arguments)
    if {"--help", "-h"} & set(arguments):
        print(USAGE, end="")
        raise SystemExit(0)
    flags, typed, errors = read_arguments(arguments, FLAGS)
    config = None
    try:  # plug-ins and configs may register keys
        load_plugins(flags.get("plugin", ()))
        config = config_files.load(flags["config"][-1]) if "config" in flags else None
    except UserError as error:
        errors.append(str(error))
    errors += [wrong_key(key).line(typed, None) for key in typed if key not in keys()]
    in_study = "storage" in flags
    if not in_study:
        errors += [f"--{name}: only with --storage" for name in STUDY_FLAGS if name in flags]
    if errors:
        raise UserError("\n".join(errors))
    values = {key: read_value(text, keys()[key].annotation) for key, text in typed.items()}
    workdir = user_path(flags["workdir"][-1]) if "workdir" in flags else None
    if workdir is not None and not set(flags) - {"plugin", "workdir", *STUDY_FLAGS}:
        base, sweep = _resumed(workdir, flags, values)
        origin = str(workdir)
    elif config is not None:
        base = Base(flags["config"][-1], overridden(config, values), list(values))
        sweep, origin = _sweep(flags)
    else:
        raise UserError(f"--config is missing\n{config_files.listed()}")
    members = build_members(base, sweep, origin, corners(sweep) if in_study and sweep.ranges else None)
    study = _study(flags, base, workdir) if in_study else None
    if study is None:
        default = default_workdir(base.source, datetime.now(), suffix="-sweep")
    else:
        default = Path("runs") / f"{run_name(base.source)}-sweep" / study.name  # the same for all workers
    return Command(base, sweep, members, workdir or default, study)


def without(arguments: Sequence[str], flag: str) -> list[str]:
    """Return valid arguments without a flag and its values."""
    pairs = zip(["", *arguments], arguments, strict=False)
    kept = [word for before, word in pairs if f"--{flag}" not in (before, word)]
    return [word for word in kept if not word.startswith(f"--{flag}=")]


def command_of_point(command: Command, point: Point) -> str:
    """Return the ordinary command that trains a point alone, with its first seed."""
    base = command.base
    typed = {key: base.sections[key.partition(".")[0]][key.partition(".")[2]] for key in base.typed}
    changes = typed | shared_values(command.sweep) | point
    overrides = [f"--config.{key}={value}" for key, value in changes.items()]
    needed = plugins_of(base.sections, {key: [value] for key, value in point.items()})
    plugins = plugin_flags(needed, base.source)
    return shlex.join(["python", "-m", "rnn_jax.main", "--config", base.source, *plugins, *overrides])


def _resumed(workdir: Path, flags: Mapping[str, list[str]], values: Mapping[str, Any]) -> tuple[Base, Sweep]:
    """The sweep in a folder, with overridden keys."""
    base, sweep = SweepFolder(workdir).read(in_study="storage" in flags)
    if "trials" in flags:
        if sweep.grid:
            raise UserError(f"--trials: {ONLY_RANGES}")
        sweep = sweep.model_copy(update={"num_trials": _positive("trials", flags)})
    typed = list(dict.fromkeys([*base.typed, *values]))
    return Base(base.source, overridden(base.sections, values), typed), sweep


def _sweep(flags: Mapping[str, list[str]]) -> tuple[Sweep, str]:
    """The sweep of a command line, and where it is defined."""
    if "sweep" in flags and "grid" in flags:
        raise UserError("--sweep and --grid: give one of them")
    if "sweep" not in flags and "grid" not in flags:
        raise UserError("--sweep FILE or --grid KEY=V1,V2 is missing")
    counts = {"seeds": "seeds", "trials": "num_trials"}
    typed = {field: _positive(flag, flags) for flag, field in counts.items() if flag in flags}
    if "sweep" in flags:
        origin = flags["sweep"][-1]
        fields = call_function(origin, "get_sweep", "--sweep")
    elif "trials" in flags:
        raise UserError(f"--trials: {ONLY_RANGES}")
    else:
        fields, origin = {"grid": _grid(flags["grid"])}, "--grid"
    return definition.check(fields, origin, typed, in_study="storage" in flags), origin


def _grid(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Parse texts like `optimizer.learning_rate=1e-3,3e-3`."""
    grid: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals:
            raise UserError(f"--grid {text}: must be SECTION.KEY=V1,V2,...")
        if key not in keys():
            raise UserError(f"--grid: {wrong_key(key).line((), None)}")
        if key in grid:
            raise UserError(f"--grid {key}: given twice; give all its values at once")
        kind = keys()[key].annotation
        grid[key] = [read_value(value, kind) for value in values.split(",") if value.strip()]
    return grid


def _study(flags: Mapping[str, list[str]], base: Base, workdir: Path | None) -> StudyOptions:
    if "study" in flags:
        name = flags["study"][-1]
        # The folder has this name by default.
        if not name.strip() or "/" in name or name in (".", "..") or len(name) > LONGEST_NAME:
            allowed = f"a name without '/', of at most {LONGEST_NAME} characters"
            raise UserError(f"--study {format_value(name)}: must be {allowed}")
    else:
        name = (workdir and SweepFolder(workdir).study()) or run_name(base.source)
    workers = _positive("workers", flags, default=1)
    return StudyOptions(flags["storage"][-1], name, workers, _positive("heartbeat", flags, HEARTBEAT_SECONDS))


def _positive(flag: str, flags: Mapping[str, list[str]], default: int = 1) -> int:
    if flag not in flags:
        return default
    text = flags[flag][-1]
    number = read_value(text, int)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise UserError(f"--{flag} {text}: must be a whole number, at least 1")
    return number
