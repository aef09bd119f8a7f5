"""samples.txt: text sampled from a language model at each evaluation.

── step 1,000 ──
First Citizen: ...
"""

import re
from pathlib import Path

from rnn_jax.runtime.files import flush, write_all, write_text, writing

_HEADING = re.compile(r"^── step ([\d,]+) ──$", re.MULTILINE)


class Samples:
    """The samples.txt of a run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: int, text: str) -> None:
        """Append the sample of a step."""
        with writing(self._path), self._path.open("ab", buffering=0) as file:
            write_all(file, f"── step {step:,} ──\n{text}\n\n".encode())

    def flush(self) -> None:
        """Wait until the samples are on the disk."""
        if self._path.exists():
            with writing(self._path):
                flush(self._path)

    def keep_up_to(self, step: int) -> None:
        """Drop the samples of later steps, and one that a crash tore."""
        text = _read(self._path)
        later = (heading.start() for heading in _HEADING.finditer(text) if _step(heading[1]) > step)
        end = next(later, text.rfind("\n\n") + 2)
        if end < len(text):
            write_text(self._path, text[:end])


def read_samples(path: Path) -> dict[int, str]:
    """The samples of a file by their steps; {} if it does not exist."""
    parts = _HEADING.split(_read(path))[1:]
    return {_step(step): text.strip("\n") for step, text in zip(parts[::2], parts[1::2], strict=True)}


def _read(path: Path) -> str:
    """The text as written, with every `\\r`, '' without a file; the end may be torn within a character."""
    return path.read_bytes().decode("utf-8", errors="replace") if path.exists() else ""


def _step(text: str) -> int:
    return int(text.replace(",", ""))
