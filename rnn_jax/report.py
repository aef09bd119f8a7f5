"""Writes one HTML page about runs and sweeps: curves, tables, differences, errors."""

import os
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rnn_jax.config.arguments import Parser
from rnn_jax.reporting.pages import page
from rnn_jax.reporting.pages.collection import collect
from rnn_jax.reporting.pages.contents import build_contents
from rnn_jax.runtime.command import run_command, warn
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path

NAME = "report.html"
EPILOG = """\
The page is self-contained: open it in a browser, it needs no network.

examples:
  python -m rnn_jax.report runs/digits/first
  python -m rnn_jax.report runs/digits/* --out digits.html
  python -m rnn_jax.report runs/digits-sweep/first

exit status: 0 finished, 1 a bug, or some runs could not be read, 2 wrong input, 5 disk or memory full,
130 stopped by Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    with run_command(arguments) as command:
        folders, out = _parse(command.arguments)
        found = collect(folders)
        _check_out(out)
        typed = shlex.join(["python", "-m", "rnn_jax.report", *command.arguments])
        contents = build_contents(found, typed, datetime.now().astimezone())
        names = [folder.absolute().name for folder in folders]
        title = f"Report: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        size = page.write(contents, title, out)
        for line in contents["damaged"]:
            warn(f"{line}; left out")
        runs = len(contents["runs"])
        print(f"{out}: {runs:,} {'run' if runs == 1 else 'runs'}, {size / 1e6:.1f} MB")
        return 1 if contents["damaged"] else 0
    return command.exit_status


def _parse(arguments: Sequence[str]) -> tuple[list[Path], Path]:
    """The distinct folders, and the file to write; an earlier page among the folders is skipped."""
    parser = Parser("report", __doc__ or "", EPILOG)
    out_help = f"the page to write (default: {NAME} in the only DIR, or in the working directory)"
    parser.add_argument("--out", metavar="FILE", help=out_help)
    parser.add_argument("folders", nargs="*", metavar="DIR", help="a run folder or a sweep folder")
    found = parser.parse(arguments)
    if not found.folders or "" in found.folders:
        raise UserError("no folder to report; give run folders or sweep folders: rnn_jax.report DIR...")
    if found.out == "":
        raise UserError("--out: needs a value, --out=FILE")
    folders: dict[str, Path] = {}
    for folder in found.folders:
        folders.setdefault(os.path.realpath(user_path(folder)), user_path(folder))
    default = (next(iter(folders.values())) if len(folders) == 1 else Path()) / NAME
    out = default if found.out is None else user_path(found.out)
    if len(folders) > 1 and os.path.isfile(out):
        folders.pop(os.path.realpath(out), None)  # a shell's `*` includes the page
    return list(folders.values()), out


def _check_out(out: Path) -> None:
    """Raise UserError if the page cannot be written."""
    if os.path.isdir(out):
        raise UserError(f"{out}: is a folder; --out takes a file, {out / NAME}")
    if os.path.exists(out) and not os.path.isfile(out):
        raise UserError(f"{out}: not a regular file; give another --out")
    if not os.path.isdir(out.parent):
        raise UserError(f"{out}: there is no folder {out.parent}; create it, or give another --out")
    if not os.access(out.parent, os.W_OK) or (os.path.exists(out) and not os.access(out, os.W_OK)):
        raise UserError(f"{out}: cannot be written (Permission denied); give another --out")


if __name__ == "__main__":
    sys.exit(main())
