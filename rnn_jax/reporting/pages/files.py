"""Files of folders that may be anybody's: what is a link, a pipe or a giant is refused."""

import os
from pathlib import Path
from typing import Any

from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, read_json_lines, refuse_link

MOST_BYTES = 256 * 2**20  # of a file of lines
MOST_BYTES_OF_AN_OBJECT = 8 * 2**20


def look(file: Path, most: int = MOST_BYTES) -> None:
    """Raises UserError for what is not a file of a size that is read: a link, a pipe, a giant."""
    refuse_link(file)
    if os.path.lexists(file) and not os.path.isfile(file):
        raise UserError(f"{file}: is no file")
    if os.path.exists(file) and (size := file.stat().st_size) > most:
        raise UserError(f"{file}: {size / 2**20:,.0f} MiB, and at most {most // 2**20} are read")


def read_object(file: Path) -> dict[str, Any]:
    """Reads a file that holds a JSON object.

    Raises:
        UserError: it is refused, or damaged.
    """
    look(file, MOST_BYTES_OF_AN_OBJECT)
    return read_json(file)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Reads a file of JSON objects, one a line; none where there is no file.

    Raises:
        UserError: it is refused, or damaged.
    """
    look(file)
    return read_json_lines(file)
