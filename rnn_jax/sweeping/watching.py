"""Evaluations of runs that other processes train, as they come."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path


class Evaluations:
    """The validation figures of one run, or the means over several that train in step."""

    def __init__(self, files: Sequence[Path], figure: str) -> None:
        """`files`: their metrics.jsonl, which need not be there yet."""
        self._files, self._figure = files, figure
        self._sizes: list[int] = []
        self._values: list[float] = []

    def values(self) -> list[float]:
        """One for each evaluation that all of them have made.

        Up to the first that is not finite; and to a line that is damaged, by a power cut, until the run that
        goes on has made it anew.
        """
        sizes = [file.stat().st_size if file.exists() else 0 for file in self._files]
        if sizes != self._sizes:
            self._sizes = sizes
            self._values = [
                statistics.mean(values)
                for values in zip(*(self._of(file) for file in self._files), strict=False)
            ]
        return self._values

    def _of(self, file: Path) -> list[float]:
        found = []
        # What follows the last line break is a line that is being written.
        for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else ():
            if b'"validation"' not in line:
                continue
            try:
                value = json.loads(line)[self._figure]
            except (ValueError, KeyError):
                break
            if value is None:
                break
            found.append(value)
        return found
