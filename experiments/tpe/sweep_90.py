"""The study of sweep.py, but only the worst tenth of the trials is pruned."""

import runpy
from pathlib import Path
from typing import Any


def get_sweep() -> dict[str, Any]:
    """Return the same study with the 90th percentile for pruning."""
    base = runpy.run_path(str(Path(__file__).with_name("sweep.py")))["get_sweep"]()
    return base | dict(pruner=dict(kind="percentile", percentile=90))
