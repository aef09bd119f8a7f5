"""As sweep.py, but that the loss decides, of which one seed tells more than of the accuracy."""

import runpy
from pathlib import Path
from typing import Any


def get_sweep() -> dict[str, Any]:
    """The same forty trials; who falls behind, and who is best, the validation loss says."""
    base = runpy.run_path(str(Path(__file__).with_name("sweep.py")))["get_sweep"]()
    return base | dict(objective="loss")
