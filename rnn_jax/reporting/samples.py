"""samples.txt: what a language model writes at each evaluation, one sample after another.

── step 1,000 ──
First Citizen: ...
"""

import re
from pathlib import Path

from rnn_jax.runtime.files import flush, write_all, write_text, writing

_HEAD = re.compile(r"^── step ([\d,]+) ──$", re.MULTILINE)


class Samples:
    """A run's samples, of which those after a checkpoint are dropped when the run goes on from there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: int, text: str) -> None:
        """Adds the sample of a step."""
        with writing(self._path), self._path.open("ab", buffering=0) as file:
            write_all(file, f"── step {step:,} ──\n{text}\n\n".encode())

    def flush(self) -> None:
        """Waits until the disk has the samples."""
        if self._path.exists():
            with writing(self._path):
                flush(self._path)

    def keep_up_to(self, step: int) -> None:
        """Drops the samples of later steps."""
        if not self._path.exists():
            return
        text = _read(self._path)
        later = (head.start() for head in _HEAD.finditer(text) if int(head[1].replace(",", "")) > step)
        # What is no whole sample at the end was being written when the run was killed.
        end = next(later, text.rfind("\n\n") + 2)
        if end < len(text):
            write_text(self._path, text[:end])


def _read(path: Path) -> str:
    """The text as it was written, every `\\r` too; its end may have been torn."""
    return path.read_bytes().decode("utf-8", errors="replace")


def read_samples(path: Path) -> dict[int, str]:
    """The samples of a file by their steps; {} where there is none."""
    if not path.exists():
        return {}
    parts = _HEAD.split(_read(path))[1:]
    return {
        int(step.replace(",", "")): text.strip("\n")
        for step, text in zip(parts[::2], parts[1::2], strict=True)
    }
