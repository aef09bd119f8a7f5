"""Reading files of run folders, which may come from strangers: links, pipes and giants are rejected."""

import os
from pathlib import Path
from typing import Any

from rnn_jax.runtime.errors import UserError
from rnn_jax.runtime.files import read_json, read_json_lines, reject_link

MAX_BYTES = 256 * 2**20  # of a file of lines
MAX_OBJECT_BYTES = 8 * 2**20


def check_file(file: Path, limit: int = MAX_BYTES) -> None:
    """Raise UserError for a link, anything but a regular file, and a file of more than `limit` bytes."""
    reject_link(file)
    if os.path.lexists(file) and not os.path.isfile(file):
        raise UserError(f"{file}: not a regular file")
    if os.path.exists(file) and (size := file.stat().st_size) > limit:
        raise UserError(f"{file}: {size / 2**20:,.0f} MiB, must be at most {limit // 2**20} MiB")


def read_object(file: Path) -> dict[str, Any]:
    """Read a file with a JSON object; UserError if it is missing, rejected or damaged."""
    check_file(file, MAX_OBJECT_BYTES)
    return read_json(file)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Read a file of JSON objects, one per line, [] if it is missing; UserError if rejected or damaged."""
    check_file(file)
    return read_json_lines(file)
