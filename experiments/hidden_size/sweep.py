"""Sizes of the LSTM, each at three learning rates: at one rate, sizes cannot be compared."""

from typing import Any


def get_sweep() -> dict[str, Any]:
    """Five sizes, three rates, two seeds."""
    return dict(
        grid={"model.hidden_size": (16, 32, 64, 128, 256), "optimizer.learning_rate": (2e-3, 6e-3, 1.8e-2)},
        seeds=2,
        duration_epochs=3.0,
    )
