"""A grid of eight learning rates and three clipping norms; every point is trained to the end."""

from typing import Any

GRID = {
    "optimizer.learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
    "optimizer.clip_norm": (0.1, 1.0, 10.0),
}


def get_sweep() -> dict[str, Any]:
    """Return the full grid, 24 points."""
    return dict(grid=GRID, duration_steps=600)
