"""The study of sweep.py with the validation loss as objective, which varies less between seeds."""

import runpy
from pathlib import Path
from typing import Any


def get_sweep() -> dict[str, Any]:
    """Return the same study, pruned and ranked by the validation loss."""
    base = runpy.run_path(str(Path(__file__).with_name("sweep.py")))["get_sweep"]()
    return base | dict(objective="loss")
