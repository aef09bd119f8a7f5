"""Epochs and steps."""

from fractions import Fraction

import pytest

from rnn_jax.training.plan import is_due, to_steps

EPOCH = Fraction(55_000, 128)  # 429.6875 steps


@pytest.mark.parametrize(
    ("steps", "epochs", "expected"),
    [(7, None, 7), (None, 1.0, 430), (None, 15.0, 6446), (None, 0.5, 215), (None, None, None)],
)
def test_an_epoch_ends_with_the_step_that_completes_it(
    steps: int | None, epochs: float | None, expected: int | None
) -> None:
    assert to_steps(steps, epochs, EPOCH) == expected


def test_due_at_the_end_of_every_epoch_and_never_else() -> None:
    found = [step for step in range(1500) if is_due(step, None, 1.0, EPOCH)]
    assert found == [430, 860, 1290]


def test_due_every_so_many_steps() -> None:
    assert [step for step in range(1, 10) if is_due(step, 4, None, EPOCH)] == [4, 8]
    assert not any(is_due(step, None, None, EPOCH) for step in range(10))


def test_epochs_shorter_than_a_step_are_due_at_every_step() -> None:
    assert [step for step in range(1, 5) if is_due(step, None, 1.0, Fraction(1, 3))] == [1, 2, 3, 4]
