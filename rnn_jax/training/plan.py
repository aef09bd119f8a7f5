"""How long a run trains, and when it evaluates."""

from fractions import Fraction
from typing import NamedTuple

from rnn_jax.training.durations import due, to_steps


class Plan(NamedTuple):
    """What the config section `train` comes to, in steps."""

    seed: int
    last_step: int
    epoch_steps: Fraction
    evaluate_every_steps: int | None
    evaluate_every_epochs: float | None
    early_stopping_patience: int | None
    report_test: bool
    divergence: str
    """What follows an update whose loss or gradient is not finite: 'stop', 'skip' or 'restore'."""
    divergence_limit: int
    """How often it may follow: updates skipped, or returns to the last checkpoint; 0 where the run stops."""
    divergence_rate_factor: float
    """The factor on the learning rate at each return."""

    @property
    def skips(self) -> int:
        """How many updates may be skipped."""
        return self.divergence_limit if self.divergence == "skip" else 0

    @property
    def restores(self) -> int:
        """How often the run may return to its last checkpoint."""
        return self.divergence_limit if self.divergence == "restore" else 0

    def evaluates_after(self, step: int) -> bool:
        """Whether the validation split is looked at after `step` steps: the last one included."""
        return step == self.last_step or due(
            step, self.evaluate_every_steps, self.evaluate_every_epochs, self.epoch_steps
        )


def build(
    epoch_steps: Fraction,
    *,
    seed: int,
    duration_epochs: float | None,
    duration_steps: int | None,
    evaluate_every_epochs: float | None,
    evaluate_every_steps: int | None,
    early_stopping_patience: int | None,
    report_test: bool,
    divergence: str,
    divergence_limit: int | None,
    divergence_rate_factor: float | None,
) -> Plan:
    """Builds the plan of a run whose epoch has so many steps (the config section `train`)."""
    last_step = to_steps(duration_steps, duration_epochs, epoch_steps)
    assert last_step is not None
    return Plan(
        seed=seed,
        last_step=last_step,
        epoch_steps=epoch_steps,
        evaluate_every_steps=evaluate_every_steps,
        evaluate_every_epochs=evaluate_every_epochs,
        early_stopping_patience=early_stopping_patience,
        report_test=report_test,
        divergence=divergence,
        divergence_limit=divergence_limit or 0,
        divergence_rate_factor=1.0 if divergence_rate_factor is None else divergence_rate_factor,
    )
