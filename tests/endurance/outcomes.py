"""What a series of trials came to."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Counts trials, and keeps a line for each that did not go as promised."""

    tried: int = 0
    violations: list[str] = field(default_factory=list)
    measurements: dict[str, float | int | str] = field(default_factory=dict)
    """What else was measured, by what it is."""
    seconds: float = 0.0

    def check(self, holds: bool, violation: str) -> bool:
        """Notes a violation where something does not hold; returns whether it does."""
        if not holds:
            self.violations.append(violation)
        return holds

    def count(self, name: str, by: int = 1) -> None:
        """Adds to a figure."""
        self.measurements[name] = int(self.measurements.get(name, 0)) + by

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Adds the seconds spent inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
