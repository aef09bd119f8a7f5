"""TPE over learning rate, clipping norm and dropout; the worst fifth of the trials is pruned."""

from typing import Any


def get_sweep() -> dict[str, Any]:
    """Return a study of forty trials of at most five epochs, as in experiments/learning_rate."""
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
