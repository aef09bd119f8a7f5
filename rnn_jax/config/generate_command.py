"""What the command line of `rnn_jax.generate` says."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from rnn_jax.config.arguments import Parser
from rnn_jax.runtime.errors import UserError

LENGTH = 500

DESCRIPTION = "Writes a text with a trained language model, as it is made, or scores a text of one's own."
EPILOG = """\
examples:
  python -m rnn_jax.generate --workdir runs/shakespeare/first --prime "ROMEO:" --temperature 0.8
  python -m rnn_jax.generate --workdir runs/shakespeare/first --score my.txt

exit status: 0 finished, 1 a bug, 2 wrong input, 4 no valid checkpoint, 130 stopped by Ctrl-C
"""


class Command(NamedTuple):
    """What is to be written, or scored."""

    workdir: Path
    checkpoint: Literal["best", "latest"]
    prime: str
    length: int
    temperature: float
    top_k: int | None
    top_p: float | None
    seed: int
    score: str | None
    """A file to be scored, or '-' for standard input; None: write."""


def parse(arguments: Sequence[str]) -> Command:
    """Reads a command line (`sys.argv[1:]`).

    Raises:
        UserError: a flag or its value is wrong.
        SystemExit: with status 0, after `--help` was printed.
    """
    found = _parser().parse(arguments)
    writing = {"prime": "", "length": None, "temperature": 1.0, "top_k": None, "top_p": None, "seed": 0}
    if found.score is not None and (given := [key for key in writing if getattr(found, key) != writing[key]]):
        raise UserError(f"--{given[0]}: only for writing, and --score is given")
    _check_ranges(found)
    if found.length is None:
        found.length = LENGTH
    return Command(**vars(found))


def _parser() -> Parser:
    parser = Parser("generate", DESCRIPTION, EPILOG)
    parser.add_run("the folder of a language model's run")
    add = parser.add_argument
    add("--prime", default="", metavar="TEXT", help="how the text begins (default: with a new line)")
    add("--length", type=int, metavar="N", help=f"tokens that are written (default: {LENGTH})")
    add("--temperature", type=float, default=1.0, metavar="T", help="0 the likeliest, 1 as learned (default)")
    add("--top_k", type=int, metavar="K", help="only the K likeliest tokens")
    add("--top_p", type=float, metavar="P", help="only the likeliest that have probability P together")
    add("--seed", type=int, default=0, metavar="S", help="another seed writes another text (default: 0)")
    add("--score", metavar="FILE", help="score this text instead, '-' for standard input")
    return parser


def _check_ranges(found: argparse.Namespace) -> None:
    """Raises UserError for the first value that cannot be. (`not ... >=` also catches NaN.)"""
    rules = (
        ("length", "at least 1", lambda value: value >= 1),
        ("temperature", "a number of at least 0", lambda value: 0 <= value < float("inf")),
        ("top_k", "at least 1", lambda value: value >= 1),
        ("top_p", "more than 0 and at most 1", lambda value: 0 < value <= 1),
        ("seed", "from 0 to 4,294,967,295", lambda value: 0 <= value < 2**32),
    )
    for name, words, holds in rules:
        value = getattr(found, name)
        if value is not None and not holds(value):
            raise UserError(f"--{name} {value}: must be {words}")
