"""As sweep.py, but that fewer trials are given up."""

import runpy
from pathlib import Path
from typing import Any


def get_sweep() -> dict[str, Any]:
    """The same forty trials, of which only what is among the worst tenth is given up."""
    base = runpy.run_path(str(Path(__file__).with_name("sweep.py")))["get_sweep"]()
    return base | dict(pruner=dict(kind="percentile", percentile=90))
