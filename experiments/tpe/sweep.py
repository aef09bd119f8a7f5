"""Learning rate, clipping and dropout, drawn by TPE; what falls behind is given up."""

from typing import Any


def get_sweep() -> dict[str, Any]:
    """Forty trials, of at most as many epochs as a member of the grid."""
    return dict(
        ranges={
            "optimizer.learning_rate": dict(log_uniform=(1e-4, 1.28e-1)),
            "optimizer.clip_norm": dict(log_uniform=(0.1, 10.0)),
            "model.output_dropout": dict(uniform=(0.0, 0.5)),
        },
        num_trials=40,
        pruner=dict(kind="percentile", percentile=80),
        duration_epochs=5.0,
    )
