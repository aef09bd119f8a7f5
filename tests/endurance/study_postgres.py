"""Random kills of four workers of one study in PostgreSQL; see `shared_study.py`."""

from pathlib import Path

import postgres
import shared_study
from outcomes import Outcome
from shared_study import COUNT

__all__ = ["COUNT", "measure"]


def measure(scratch: Path, count: int) -> Outcome:
    """Kill a worker `count` times."""
    with postgres.running() as url:
        return shared_study.measure(scratch, count, url, workers=4)
