"""Paths of a user's files, from the config section `dataset`."""

from pathlib import Path

from rnn_jax.runtime.errors import UserError


def split_paths(file: str, validation_file: str | None, test_file: str | None) -> dict[str, Path]:
    """Return the path of each split that has a file; raise UserError if a file does not exist."""
    keys = {"train": "file", "validation": "validation_file", "test": "test_file"}
    names = {"train": file, "validation": validation_file, "test": test_file}
    return {
        split: existing_path(f"dataset.{keys[split]}", name)
        for split, name in names.items()
        if name is not None
    }


def existing_path(key: str, name: str, *, folder: bool = False) -> Path:
    """Return the path of the file, or folder, that a key names; raise UserError if there is none."""
    what = "folder" if folder else "file"
    try:
        path = Path(name).expanduser()
        if path.is_dir() if folder else path.is_file():
            return path
        problem = f"is not a {what}" if path.exists() else f"no such {what}"
    except (OSError, RuntimeError, ValueError) as error:  # name too long, unknown home, zero byte
        problem = str(error)
    raise UserError(f"{key} = {name}: {problem}; set --config.{key}={what.upper()}")
