"""samples.txt: what a language model writes at each evaluation, one sample after another.

── step 1,000 ──
First Citizen: ...
"""

import os
import re
from pathlib import Path

from rnn_jax.runtime.files import writing

_HEAD = re.compile(r"^── step ([\d,]+) ──$", re.MULTILINE)


class Samples:
    """A run's samples, of which those after a checkpoint are dropped when the run goes on from there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: int, text: str) -> None:
        """Adds the sample of a step."""
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(f"── step {step:,} ──\n{text}\n\n")
            file.flush()
            os.fsync(file.fileno())

    def keep_up_to(self, step: int) -> None:
        """Drops the samples of later steps."""
        if not self._path.exists():
            return
        text = self._path.read_text(encoding="utf-8", errors="replace")  # a crash may have torn its end
        later = (head.start() for head in _HEAD.finditer(text) if int(head[1].replace(",", "")) > step)
        # What is no whole sample at the end was being written when the run was killed.
        end = next(later, text.rfind("\n\n") + 2)
        if end < len(text):
            with writing(self._path):
                unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
                unfinished.write_text(text[:end], encoding="utf-8")
                unfinished.replace(self._path)


def read_samples(path: Path) -> dict[int, str]:
    """The samples of a file by their steps; {} where there is none."""
    if not path.exists():
        return {}
    parts = _HEAD.split(path.read_text(encoding="utf-8", errors="replace"))[1:]
    return {
        int(step.replace(",", "")): text.strip("\n")
        for step, text in zip(parts[::2], parts[1::2], strict=True)
    }
