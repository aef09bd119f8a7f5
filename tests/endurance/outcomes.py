"""The outcome of a series of trials."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """The number of trials, the violations with a line each, and measurements."""

    tried: int = 0
    violations: list[str] = field(default_factory=list)
    measurements: dict[str, float | int | str] = field(default_factory=dict)
    """Other measurements by name."""
    seconds: float = 0.0

    def check(self, holds: bool, violation: str) -> bool:
        """Add a violation unless `holds`; return `holds`."""
        if not holds:
            self.violations.append(violation)
        return holds

    def count(self, name: str, by: int = 1) -> None:
        """Add to a measurement."""
        self.measurements[name] = int(self.measurements.get(name, 0)) + by

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the seconds spent in the context."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
