"""Command lines of flags alone, without a config; their errors take one line, as elsewhere."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rnn_jax.config.messages import nearest
from rnn_jax.config.plugins import load_plugins
from rnn_jax.runtime.command import version
from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import user_path


class Parser(argparse.ArgumentParser):
    """An `argparse` parser that raises UserError, in one line; flags cannot be abbreviated."""

    def __init__(self, command: str, description: str, epilog: str) -> None:
        """Build the parser of `python -m rnn_jax.<command>`."""
        name = f"python -m rnn_jax.{command}"
        raw = argparse.RawDescriptionHelpFormatter
        super().__init__(name, None, description, epilog, formatter_class=raw, allow_abbrev=False)
        self.add_argument("--version", action="version", version=version())

    def error(self, message: str) -> NoReturn:
        """Raise UserError, where argparse prints its usage and exits."""
        raise UserError(message)

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse a command line (`sys.argv[1:]`), and load its plug-ins.

        Raises UserError for a wrong flag or value, SystemExit with status 0 after `--help` was printed.
        """
        found, unknown = self.parse_known_args(arguments)
        if unknown:
            flags = [flag.lstrip("-") for action in self._actions for flag in action.option_strings]
            near = nearest(unknown[0].lstrip("-").partition("=")[0], flags)
            hint = f"did you mean --{near}?" if near else "--help lists them"
            raise UserError(f"{unknown[0]}: no such flag; {hint}")
        load_plugins(vars(found).pop("plugins", None) or ())
        return found

    def add_run(self, what: str) -> None:
        """Add --workdir (`what`: its help), --checkpoint and --plugin."""
        add = self.add_argument
        add("--workdir", type=_folder, required=True, metavar="DIR", help=what)
        add("--checkpoint", choices=("best", "latest"), default="best", help="the checkpoint (default: best)")
        registers = "register the run's cell, task or data set, if it is not part of the package"
        add("--plugin", "--config", action="append", dest="plugins", metavar="MODULE_OR_FILE", help=registers)


def _folder(text: str) -> Path:
    if not text:  # which would be the working directory
        raise argparse.ArgumentTypeError("needs a value, --workdir=DIR")
    try:
        return user_path(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
