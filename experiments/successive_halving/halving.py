"""The same 24 points; the worse half is pruned after 90, 180 and 360 of 600 steps."""

from typing import Any

GRID = {
    "optimizer.learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
    "optimizer.clip_norm": (0.1, 1.0, 10.0),
}


def get_sweep() -> dict[str, Any]:
    """Return the grid with successive halving."""
    return dict(grid=GRID, duration_steps=600, halving=dict(min_resource_fraction=0.15, reduction_factor=2))
