"""What the command line of `rnn_jax.draw` says."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from rnn_jax.config.arguments import Parser

DESCRIPTION = "Serves a page to draw on, and shows how a trained network reads the drawing row by row."
EPILOG = """\
The page is at an address that only this machine can reach; Ctrl-C stops it.

examples:
  python -m rnn_jax.draw --workdir runs/mnist/first
  python -m rnn_jax.draw --workdir runs/digits/first --checkpoint latest --port 8000

exit status: 1 a bug, 2 wrong input, 4 no valid checkpoint, 130, 143 and 138 stopped by SIGINT (Ctrl-C),
SIGTERM and SIGUSR1
"""
MOST = 65_535


class Command(NamedTuple):
    """Which model is to read drawings, and where the page is."""

    workdir: Path
    checkpoint: Literal["best", "latest"]
    port: int
    """0: any that is free."""


def parse(arguments: Sequence[str]) -> Command:
    """Reads a command line (`sys.argv[1:]`).

    Raises:
        UserError: a flag or its value is wrong.
        SystemExit: with status 0, after `--help` was printed.
    """
    parser = Parser("draw", DESCRIPTION, EPILOG)
    parser.add_run("the folder of a run that names the class of an image")
    parser.add_argument(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="where the page is (default: any port that is free)",
    )
    return Command(**vars(parser.parse(arguments)))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 0 to {MOST:,}")
    return int(text)
