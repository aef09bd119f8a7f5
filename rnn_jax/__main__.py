"""Lists the commands: `python -m rnn_jax`."""

import ast
from pathlib import Path

COMMANDS = Path(__file__).parent


def listing() -> str:
    """One line for each file directly in the package: how to run it, and the first line of its docstring."""
    files = sorted(file for file in COMMANDS.glob("*.py") if not file.name.startswith("_"))
    lines = ["commands (each tells its options with --help):"]
    for file in files:
        summary = (ast.get_docstring(ast.parse(file.read_bytes())) or "").partition("\n")[0]
        lines.append(f"  python -m rnn_jax.{file.stem:<10} {summary}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(listing())
