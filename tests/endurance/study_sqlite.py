"""Random kills of two workers of one study in SQLite; see `shared_study.py`."""

from pathlib import Path

import shared_study
from outcomes import Outcome
from shared_study import COUNT

__all__ = ["COUNT", "measure"]


def measure(scratch: Path, count: int) -> Outcome:
    """Kill a worker `count` times."""
    return shared_study.measure(scratch, count, f"sqlite:///{scratch / 'study.db'}", workers=2)
