"""Run a command: `python -m rnn_jax COMMAND`, installed as `rnn-jax COMMAND`."""

import ast
import difflib
import importlib
import sys
from pathlib import Path

from rnn_jax.runtime.command import run_command, version
from rnn_jax.runtime.errors import UserError

USAGE = """\
usage: python -m rnn_jax COMMAND [ARGUMENTS]
       python -m rnn_jax --version

commands (--help after one lists its arguments):"""


def commands() -> dict[str, str]:
    """Return the first line of the docstring of each command: a module here that has a function `main`."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = ast.parse(file.read_bytes())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in module.body):
            found[file.stem] = (ast.get_docstring(module) or "").partition("\n")[0]
    return found


def main() -> int:
    """Run the command named on the command line and return its exit status."""
    name, *arguments = sys.argv[1:] or ["--help"]
    known = commands()
    if name in known:
        sys.argv[1:] = arguments
        return importlib.import_module(f"rnn_jax.{name}").main()
    with run_command() as command:
        if name in ("--help", "-h"):
            print(USAGE, *(f"  {command:<10} {summary}" for command, summary in known.items()), sep="\n")
        elif name == "--version":
            print(version())
        else:
            near = difflib.get_close_matches(name, (*known, "--help", "--version"), n=1)
            hint = f"did you mean {near[0]}?" if near else f"must be one of {', '.join(known)}"
            raise UserError(f"{name}: no such command; {hint}")
    return command.exit_status


if __name__ == "__main__":
    sys.exit(main())
