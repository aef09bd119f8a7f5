"""Hidden sizes of an LSTM, each at three learning rates, since the best rate depends on the size."""

from typing import Any


def get_sweep() -> dict[str, Any]:
    """Return a grid of five sizes and three rates, with two seeds each."""
    return dict(
        grid={"model.hidden_size": (16, 32, 64, 128, 256), "optimizer.learning_rate": (2e-3, 6e-3, 1.8e-2)},
        seeds=2,
        duration_epochs=3.0,
    )
