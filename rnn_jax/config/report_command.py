"""What the command line of `rnn_jax.report` says."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rnn_jax.config.arguments import Parser
from rnn_jax.runtime.errors import UserError

NAME = "report.html"

DESCRIPTION = "Writes one HTML page on runs and sweeps: curves, tables, what differs, what was mistaken."
EPILOG = """\
The page stands alone: it is opened in a browser, and needs no network.

examples:
  python -m rnn_jax.report runs/digits/first
  python -m rnn_jax.report runs/digits/* --out digits.html
  python -m rnn_jax.report runs/digits-sweep/first

exit status: 0 finished, 1 a bug, or some runs could not be read, 2 wrong input, 5 disk or memory full,
130 stopped by Ctrl-C
"""


class Command(NamedTuple):
    """What is to be reported, and where."""

    folders: list[Path]
    """As they were given, each once."""
    out: Path


def parse(arguments: Sequence[str]) -> Command:
    """Reads a command line (`sys.argv[1:]`); of what is there, the page of before is passed over.

    Raises:
        UserError: a flag or its value is wrong, or there is no folder.
        SystemExit: with status 0, after `--help` was printed.
    """
    parser = Parser("report", DESCRIPTION, EPILOG)
    where = f"the page (default: {NAME} in the only DIR, or in the working directory)"
    parser.add_argument("--out", metavar="FILE", help=where)
    parser.add_argument("folders", nargs="*", metavar="DIR", help="a run folder, or a sweep's")
    found = parser.parse(arguments)
    if not found.folders or "" in found.folders:
        raise UserError("no folder to report; give run folders or sweep folders: rnn_jax.report DIR...")
    if found.out == "":
        raise UserError("--out: needs a value, --out=FILE")
    once: dict[str, Path] = {}
    for folder in found.folders:
        once.setdefault(os.path.realpath(folder), Path(folder))
    default = (next(iter(once.values())) if len(once) == 1 else Path()) / NAME
    out = default if found.out is None else Path(found.out)
    if len(once) > 1 and os.path.isfile(out):
        once.pop(os.path.realpath(out), None)  # a page of before, where `*` stands for all there is
    return Command(list(once.values()), out)


def check_out(out: Path) -> None:
    """Raises UserError where no page can be written."""
    if os.path.isdir(out):
        raise UserError(f"{out}: is a folder; --out takes a file, {out / NAME}")
    if os.path.exists(out) and not os.path.isfile(out):
        raise UserError(f"{out}: is no file that could be replaced; give another --out")
    if not os.path.isdir(out.parent):
        raise UserError(f"{out}: there is no folder {out.parent}; make it, or give another --out")
    if not os.access(out.parent, os.W_OK) or (os.path.exists(out) and not os.access(out, os.W_OK)):
        raise UserError(f"{out}: cannot be written (Permission denied); give another --out")
