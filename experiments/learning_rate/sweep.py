"""Learning rates from far too low to far too high, three seeds each."""

from typing import Any


def get_sweep() -> dict[str, Any]:
    """Return a grid of ten rates, at least a factor of two apart."""
    rates = (1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 1.28e-1)
    return dict(grid={"optimizer.learning_rate": rates}, seeds=3, duration_epochs=5.0)
