"""The command line of a sweep: the config's, with what is varied and how often."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.runtime import config_files
from rnn_jax.runtime.config import overridden, read_arguments, wrong_key
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.schema import KEYS
from rnn_jax.runtime.values import read_value
from rnn_jax.sweeping import definition, members
from rnn_jax.sweeping.definition import Sweep
from rnn_jax.sweeping.folder import SweepFolder
from rnn_jax.sweeping.members import Base, Member

FLAGS = ("config", "sweep", "grid", "seeds", "workdir")
USAGE = """\
Trains many models at once, and compares them.

usage: python -m rnn_jax.sweep --config FILE[:VARIANT[,VARIANT]]
                               (--sweep FILE | --grid SECTION.KEY=V1,V2,... [--grid ...]) [--seeds N]
                               [--config.SECTION.KEY=VALUE ...] [--workdir DIR]

  --config FILE:VARIANT     the config that all members share (python -m rnn_jax.main --help lists them)
  --grid SECTION.KEY=V,V    values of a key; several keys in all combinations
  --sweep FILE              a Python file whose get_sweep() says what is varied: a grid, or ranges
  --seeds N                 how often each point is trained, with train.seed and the numbers after it
  --config.SECTION.KEY=V    another value for a key, for all members
  --workdir DIR             the sweep's folder (default: runs/<config>-sweep/<date-time>); where it holds the
                            sweep, the same command, or --workdir alone, goes on with it
  --help, -h                this text

Members that differ in their seed, or in numbers that the compiled step takes (rates, decay, clip, dropout,
initial scale and biases), are one program; every other difference makes another.

exit status: as of rnn_jax.main
"""


class Command(NamedTuple):
    """What a command line says."""

    base: Base
    sweep: Sweep
    members: list[Member]
    workdir: Path | None


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
    mistakes += [wrong_key(key).line(typed, None) for key in typed if key not in KEYS]
    workdir = Path(flags["workdir"][-1]) if "workdir" in flags else None
    if mistakes:
        raise UserError("\n".join(mistakes))
    values = {key: read_value(text, KEYS[key].annotation) for key, text in typed.items()}
    if workdir is not None and not set(flags) - {"workdir"}:
        base, sweep = SweepFolder(workdir).read()
        said = list(dict.fromkeys([*base.said, *values]))
        base, origin = Base(base.source, overridden(base.sections, values), said), str(workdir)
    elif "config" not in flags:
        raise UserError(f"--config is missing\n{config_files.listed()}")
    else:
        source = flags["config"][-1]
        base = Base(source, overridden(config_files.load(source), values), list(values))
        sweep, origin = _sweep(flags)
    return Command(base, sweep, members.build(base, sweep, origin), workdir)


def _sweep(flags: Mapping[str, list[str]]) -> tuple[Sweep, str]:
    """What is varied, and where that was said."""
    if ("sweep" in flags) == ("grid" in flags):
        both = "sweep" in flags
        raise UserError(
            "--sweep and --grid: give one of them" if both else "--sweep FILE or --grid KEY=V1,V2 is missing"
        )
    more = {"seeds": _seeds(flags["seeds"][-1])} if "seeds" in flags else {}
    if "sweep" in flags:
        path = flags["sweep"][-1]
        sweep = definition.load(path)
        return sweep.model_copy(update=more), path
    grid = list(map(_values, flags["grid"]))
    twice = [key for number, (key, _) in enumerate(grid) if key in dict(grid[:number])]
    if twice:
        raise UserError(f"--grid {twice[0]}: given twice; all its values go into one")
    return definition.check({"grid": dict(grid), **more}, "--grid"), "--grid"


def _values(text: str) -> tuple[str, list[Any]]:
    """`optimizer.learning_rate=1e-3,3e-3` as the key and its values."""
    key, equals, values = text.partition("=")
    if not equals:
        raise UserError(f"--grid {text}: must be SECTION.KEY=V1,V2,...")
    if key not in KEYS:
        raise UserError(f"--grid: {wrong_key(key).line((), None)}")
    return key, [read_value(value, KEYS[key].annotation) for value in values.split(",") if value.strip()]


def _seeds(text: str) -> int:
    number = read_value(text, int)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise UserError(f"--seeds {text}: must be a whole number, at least 1")
    return number
